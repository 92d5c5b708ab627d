//! The shard of this process, from flags or environment variables.

use super::args::ShardArgs;
use crate::config::Shard;
use crate::config::keys::Variable;

/// The environment variables, which apply where no flag says the same.
pub(super) const VARIABLES: [Variable; 3] = [
    Variable { name: INDEX, key: "--shard.index", meaning: "The shard of this process, from 0." },
    Variable { name: TOTAL, key: "--shard.total", meaning: "The number of shards." },
    Variable { name: POD_NAME, key: "--shard.pod-name", meaning: "The name of the pod, which ends with the index." },
];

const INDEX: &str = "CXONE_SHARD_INDEX";
const TOTAL: &str = "CXONE_SHARD_TOTAL";
const POD_NAME: &str = "CXONE_SHARD_POD_NAME";

/// A value with the flag or variable that it comes from, for messages.
type Named<T> = (&'static str, T);

/// The shard of flags and environment; `None` without shards.
///
/// `--shard.index` and `--shard.pod-name` both override the variables of the index. An empty variable counts as not set.
///
/// # Errors
///
/// The problem, and what to write instead.
pub(super) fn resolve(args: &ShardArgs, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Shard>, String> {
    let variable = |name: &'static str| env(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value));
    let index = match (args.shard_index, &args.shard_pod_name) {
        (Some(index), _) => Some(("--shard.index", index)),
        (None, Some(pod)) => Some(("--shard.pod-name", ordinal("--shard.pod-name", pod)?)),
        (None, None) => match (variable(INDEX), variable(POD_NAME)) {
            (Some((_, index)), _) => Some((INDEX, number(INDEX, &index)?)),
            (None, Some((_, pod))) => Some((POD_NAME, ordinal(POD_NAME, &pod)?)),
            (None, None) => None,
        },
    };
    let total = match args.shard_total {
        Some(total) => Some(("--shard.total", total)),
        None => variable(TOTAL).map(|(_, total)| number(TOTAL, &total).map(|total| (TOTAL, total))).transpose()?,
    };
    shard(index, total)
}

fn shard(index: Option<Named<u32>>, total: Option<Named<u32>>) -> Result<Option<Shard>, String> {
    match (index, total) {
        (None, None) => Ok(None),
        (Some((of_index, index)), Some((of_total, total))) => {
            let wrong = |error| format!("{of_index} and {of_total}: {error}");
            Shard::new(index, total).map(Some).map_err(wrong)
        }
        (Some((given, _)), None) => {
            Err(format!("{given} names the shard, but not the number of shards: set --shard.total, or {TOTAL}, too"))
        }
        (None, Some((given, _))) => Err(format!(
            "{given} gives the number of shards, but not the shard of this process: set --shard.index or --shard.pod-name, or \
            {INDEX} or {POD_NAME}, too"
        )),
    }
}

fn number(name: &str, text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("{name}: {text:?} is not a whole number"))
}

/// The ordinal at the end of the name of a `StatefulSet`'s pod, such as the 3 of `cxone-exporter-3`.
fn ordinal(name: &str, pod: &str) -> Result<u32, String> {
    let digits = pod.trim().rsplit_once('-').map(|(_, last)| last);
    let digits = digits.filter(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|last| last.parse().ok()).ok_or_else(|| {
        format!("{name}: {pod:?} does not end with the ordinal of a StatefulSet's pod, as in cxone-exporter-3")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    /// Arguments, environment and the expected result.
    type Case<T> = (&'static str, &'static [(&'static str, &'static str)], T);

    fn resolved(arguments: &str, environment: &[(&str, &str)]) -> Result<Option<(u32, u32)>, String> {
        let arguments = ["cxone-exporter"].into_iter().chain(arguments.split_whitespace());
        let args = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.shard;
        let env = |name: &str| environment.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Ok(resolve(&args, &env)?.map(|shard| (shard.index(), shard.total())))
    }

    #[test]
    fn shard_comes_from_flags_or_environment() {
        let table: [Case<Option<(u32, u32)>>; 11] = [
            ("", &[], None),
            ("", &[(INDEX, ""), (TOTAL, " ")], None),
            ("--shard.index 1 --shard.total 4", &[], Some((1, 4))),
            ("--shard.index=0 --shard.total=1", &[], Some((0, 1))),
            ("--shard.pod-name cxone-exporter-3 --shard.total 4", &[], Some((3, 4))),
            ("", &[(INDEX, "2"), (TOTAL, "3")], Some((2, 3))),
            ("", &[(POD_NAME, "release-cxone-exporter-0"), (TOTAL, "3")], Some((0, 3))),
            ("--shard.index 1", &[(INDEX, "2"), (TOTAL, "3")], Some((1, 3))),
            ("--shard.pod-name a-2", &[(INDEX, "1"), (TOTAL, "3")], Some((2, 3))),
            ("", &[(INDEX, "1"), (POD_NAME, "a-2"), (TOTAL, "3")], Some((1, 3))),
            ("check --shard.index 1 --shard.total 4", &[], Some((1, 4))),
        ];
        for (arguments, environment, expected) in table {
            assert_eq!(resolved(arguments, environment), Ok(expected), "{arguments} {environment:?}");
        }
    }

    #[test]
    fn invalid_shard_is_refused() {
        let table: [Case<&str>; 10] = [
            ("--shard.index 1", &[], "set --shard.total"),
            ("", &[(POD_NAME, "a-1")], "CXONE_SHARD_POD_NAME names the shard, but not the number of shards"),
            ("--shard.total 4", &[], "set --shard.index or --shard.pod-name"),
            ("--shard.index 4 --shard.total 4", &[], "so the last one is 3"),
            ("--shard.pod-name a-7", &[(TOTAL, "4")], "--shard.pod-name and CXONE_SHARD_TOTAL: there is no shard 7"),
            ("--shard.index 0 --shard.total 0", &[], "0 is not a number of shards"),
            ("--shard.total 4 --shard.pod-name exporter", &[], "ordinal"),
            ("--shard.total 4 --shard.pod-name a-1x", &[], "as in cxone-exporter-3"),
            ("--shard.total 4 --shard.pod-name a-", &[], "ordinal"),
            ("", &[(INDEX, "one"), (TOTAL, "4")], "CXONE_SHARD_INDEX: \"one\" is not a whole number"),
        ];
        for (arguments, environment, words) in table {
            let error = resolved(arguments, environment).unwrap_err();
            assert!(error.contains(words), "{arguments} {environment:?}: {error}");
        }
        assert!(
            resolved("--shard.index 1 --shard.pod-name a-1 --shard.total 2", &[])
                .unwrap_err()
                .contains("cannot be used")
        );
    }
}
