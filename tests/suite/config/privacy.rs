//! Agent labels, and hidden names.

use cxone_exporter::config::{AgentLabel, Config};
use cxone_exporter::presence::Person;

use super::{MINIMAL, TempDir, assert_no_personal_data, ids, load, tenant_with, write};

const KEY: &str = "planted-hunter2-planted-hunter2";

#[test]
fn hmac_labels_replace_agent_ids() {
    let in_place = load(
        MINIMAL.replace("    client_id", &format!("    agent_label: hmac\n    agent_label_key: {KEY}\n    client_id")),
    );
    let in_place = in_place.unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("label-key");
    write(&file, format!("{KEY}\n").as_bytes(), 0o600);
    let from_file = tenant_with(&format!("agent_label: hmac\n    agent_label_key_file: {}", file.display()));

    let tenant = &in_place.tenants[0];
    assert_eq!(ids(tenant), ["4711"], "requests use the id");
    let label = tenant.label(&tenant.agents[0]);
    assert!(label.len() == 16 && label.bytes().all(|byte| byte.is_ascii_hexdigit()), "{label}");
    assert_eq!(from_file.label(&from_file.agents[0]), label, "the label depends on the key, not on its source");
    assert!(matches!(&from_file.privacy.agent_label, AgentLabel::Hmac(by) if by.secret.file.as_ref() == Some(&file)));

    let shown = in_place.to_yaml_redacted();
    assert!(shown.contains("agent_label_key: <secret>") && shown.contains(&*label), "{shown}");
    assert!(!shown.contains("4711"), "{shown}");
    assert_no_personal_data(&shown);
    assert_no_personal_data(&format!("{in_place:?}"));
}

#[test]
fn show_names_false_discards_configured_names() {
    let named = MINIMAL.replace("{ id: 4711 }", "{ id: 4711, name: Ada Lovelace, team: Billing }");
    for (line, name) in [("", Some("Ada Lovelace")), ("    show_names: false\n", None)] {
        let config = load(named.replace("    client_id", &format!("{line}    client_id"))).unwrap();
        let agent = &config.tenants[0].agents[0];
        assert_eq!((agent.name.as_deref(), agent.team.as_deref()), (name, Some("Billing")));
    }
}

#[test]
fn show_names_false_hides_directory_names() {
    let tenant = |extra: &str| {
        let text = format!(
            "tenants:\n  - name: acme\n    api: official\n    area: na1\n    access_key_id: key\n    access_key_secret: hunter2\n{extra}"
        );
        load(text).unwrap().tenants.remove(0)
    };
    let ada = || Person {
        id: "4711".into(),
        name: Some("Ada Lovelace".to_owned()),
        team: Some("Billing".to_owned()),
        active: true,
    };
    let all_agents = tenant("    show_names: false\n    agents: all\n");
    let (agents, _) = all_agents.resolve_agents(&[ada()]);
    assert_eq!((agents[0].name.as_deref(), agents[0].team.as_deref()), (None, Some("Billing")));
    assert_eq!(all_agents.drop_unused_names(vec![ada()])[0].name, None);
    assert!(all_agents.needs_directory());

    // The directory is not fetched for names alone, and keeps names that the filter matches.
    let listed = tenant("    show_names: false\n    agents: [{ id: 4711 }]\n");
    assert!(!listed.needs_directory());
    assert_eq!(listed.resolve_agents(&[ada()]).0[0].name, None);
    let filtered = tenant("    show_names: false\n    agents: all\n    agent_filter: { name_regex: ^Ada }\n");
    assert!(filtered.drop_unused_names(vec![ada()])[0].name.is_some());
    let (agents, _) = filtered.resolve_agents(&[ada()]);
    assert_eq!((agents.len(), agents[0].name.as_deref()), (1, None));
    assert!(!filtered.privacy.show_names);

    let pseudonyms = tenant(&format!(
        "    agent_label: hmac\n    agent_label_key: {KEY}\n    agents: all\n    agent_filter: {{ include: [4711], exclude: [4712] }}\n"
    ));
    let config = Config { tenants: vec![pseudonyms], ..load(MINIMAL).unwrap() };
    let shown = config.to_yaml_redacted();
    assert!(!shown.contains("4711") && !shown.contains("4712"), "{shown}");
}

#[test]
fn per_agent_false_discards_names_and_shows_no_agent() {
    let official = |extra: &str| {
        let text = format!(
            "tenants:\n  - name: acme\n    api: official\n    area: na1\n    access_key_id: key\n    access_key_secret: hunter2\n    per_agent: false\n{extra}"
        );
        load(text).unwrap()
    };
    let listed = official("    agents: [{ id: 4711, name: Ada Lovelace }, { id: 4712, team: Billing }]\n");
    assert_eq!(listed.tenants[0].agents[0].name, None);
    assert!(listed.tenants[0].needs_directory(), "it has the teams");
    assert!(!official("    agents: [{ id: 4711, team: Billing }]\n").tenants[0].needs_directory());
    let filtered = official("    agents: all\n    agent_filter: { include: [4711], exclude: [4712] }\n");
    for config in [listed, filtered] {
        let shown = config.to_yaml_redacted();
        assert!(shown.contains("per_agent: false") && !shown.contains("471"), "{shown}");
        assert_no_personal_data(&shown);
    }
}

#[test]
fn agent_label_remedies() {
    let cases = [
        ("agent_label: name", "write `id` or `hmac`"),
        ("agent_label: hmac", "openssl rand -hex 32"),
        ("agent_label: hmac\n    agent_label_key: hunter2-hunter2", "is shorter than 16 bytes"),
        ("agent_label: hmac\n    agent_label_key: a\n    agent_label_key_file: b", "keep one of the two"),
        (&*format!("agent_label_key: {KEY}"), "is of no use while labels are ids"),
        ("show_names: \"false\"", "write `true` or `false`, without quotes"),
        ("show_names: no", "is not a boolean"),
    ];
    for (line, message) in cases {
        let error = load(MINIMAL.replace("    client_id", &format!("    {line}\n    client_id"))).unwrap_err();
        assert!(error.to_string().contains(message), "{line}: {error}");
        assert_no_personal_data(&error.to_string());
    }
}
