//! `demo` as a process.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn demo_has_data_at_the_first_look() {
    let folder = tempfile::tempdir().unwrap();
    for api in ["presence", "official"] {
        let arguments =
            ["demo", "--api", api, "--agents=3", "--web.listen-address=127.0.0.1:0", "--web.route-prefix=/cxone"];
        let demo = Exporter::start(&arguments, folder.path(), &[]);
        let line = demo.logged("demo started");
        assert!(line.contains(&format!("url=http://{}/cxone/", demo.address)), "{line}");
        let page = http(demo.address, "GET", "/cxone/");
        assert!(page.status == 200 && !page.body.contains("not been asked yet"), "{}", page.body);
        let metrics = http(demo.address, "GET", "/cxone/metrics").body;
        assert_eq!(value(&metrics, "cxone_up"), Some(1.0), "{metrics}");
        assert_eq!(value(&metrics, "cxone_refreshes_total{result=\"success\"}"), Some(1.0));
        assert_eq!(value(&metrics, "cxone_exporter_scrapes_total{served=\"cooldown\"}"), Some(1.0));
        assert_eq!(value(&metrics, "cxone_refresh_agents{result=\"fresh\"}"), Some(3.0));
    }
}

#[test]
fn commands_without_configuration_refuse_config_file() {
    for command in [&["demo"][..], &["simulate"], &["man"], &["completions", "bash"]] {
        for arguments in
            [[command, &["--config.file=cxone.yml"]].concat(), [&["--config.file=cxone.yml"], command].concat()]
        {
            let output = run(&arguments);
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(message.contains(&format!("--config.file has no effect on `{}`", command[0])), "{message}");
        }
    }
}
