//! Agents whose history is refused or fails.

use super::*;

#[tokio::test]
async fn a_refused_agent_fails_alone_and_the_others_go_on_with_tails() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        target if target.starts_with("/agents/state-history") => refused(403),
        target if target.starts_with("/agents/2/") => refused(400),
        // The rows of one agent do not repeat its id.
        _ => history(&[row("", "Available", -HOUR, "PT100S")]),
    };
    let test = ApiTest::new(|_| (), script).await;
    let result = test.fetch(&["1", "2"]).await;
    assert_eq!(seconds(&result), BTreeMap::from([("1".into(), vec![("Available".to_owned(), 100)])]));
    assert_eq!((result.failed, result.error), (vec!["2".into()], None));
    assert_eq!(result.answered.len(), 1);

    test.advance(60);
    test.fetch(&["2", "1"]).await;
    assert_eq!(test.last_range_start(), -SETTLE, "a tail of the agent that answers");
    assert_eq!(test.requests("/agents/2/").len(), 2);
}

#[tokio::test]
async fn a_failure_of_the_tenant_cancels_the_other_agents() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        target if target.starts_with("/agents/1/") => history(&[]),
        target if target.starts_with("/agents/state-history") => refused(403),
        _ => refused(401),
    };
    let test = ApiTest::new(|_| (), script).await;
    let result = test.fetch(&["1", "2", "3", "4"]).await;
    assert_eq!((result.failed.len(), result.error.unwrap().kind), (3, ErrorKind::Unauthorized));
    let [one, two] = ["/agents/1/", "/agents/2/"].map(|part| test.requests(part).len());
    let others = test.requests("/agents/3/").len() + test.requests("/agents/4/").len();
    // The history that showed that agents can be read alone is not read again; a new token is tried once.
    assert_eq!((one, two, others), (1, 2, 0));
}

#[tokio::test]
async fn unknown_agents_fail_the_tenant_only_if_all_do() {
    // The agents in the order of the configuration; A and B are known, others are not.
    for (agents, order) in [(["9", "8", "A", "B"], 0), (["A", "9", "B", "8"], 1), (["A", "B", "9", "8"], 2)] {
        for status in [400, 403, 404] {
            let script = move |target: &str, _: &DrivenClock| match target {
                target if target.starts_with("/agents/states") => {
                    states(&["A", "B"].map(|id| format!(r#"{{"agentId":"{id}","agentStateName":"Available"}}"#)))
                }
                target if target.starts_with("/agents/A/") || target.starts_with("/agents/B/") => {
                    history(&[row("", "Unavailable", -HOUR, "PT100S")])
                }
                target if target.starts_with("/agents/state-history") => refused(404),
                _ => refused(status),
            };
            let test = ApiTest::new(|tenant| tenant.limits.max_concurrent_requests = 2, script).await;
            for nth in 0..3 {
                let mut result = test.fetch(&agents).await;
                result.failed.sort();
                assert_eq!((&result.failed, &result.error), (&vec!["8".into(), "9".into()], &None), "{order} {status}");
                assert_eq!(seconds(&result).keys().map(|id| &**id).collect::<Vec<_>>(), ["A", "B"]);
                if nth > 0 {
                    assert_eq!(test.last_range_start() % 60, 0);
                }
                test.advance(60);
            }
            let result = test.fetch(&["8", "9"]).await;
            assert_eq!((result.failed.len(), result.answered.len()), (2, 0));
            assert!(result.error.is_some(), "{status}");
        }
    }
}

#[tokio::test]
async fn refused_bulk_history_that_worked_before_is_not_asked_by_agent() {
    let script = |target: &str, clock: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        target if target.starts_with("/agents/state-history") && clock.now() > NOW => refused(403),
        _ => history(&[]),
    };
    let test = ApiTest::new(|_| (), script).await;
    assert_eq!(test.fetch(&["1"]).await.error, None);
    test.advance(60);
    assert_eq!(test.fetch(&["1"]).await.error.unwrap().kind, ErrorKind::Forbidden);
    assert_eq!(test.requests("/agents/1/"), [""; 0]);
}
