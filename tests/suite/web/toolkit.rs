//! The cases of the exporter-toolkit, by the names of its files in `web/testdata`: accepted and refused as there. The files
//! are written anew.
//!
//! Source: github.com/prometheus/exporter-toolkit at 19a7c2d, `web/tls_config_test.go`.

use std::fs;
use std::path::Path;

use cxone_exporter::web::LiveWebConfig;
use tempfile::TempDir;

/// The expected result for a file.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Accepted,
    /// Refused here and there; the message contains this text.
    Refused(&'static str),
    /// Accepted there; refused here by name, because it is not offered.
    NotOffered(&'static str),
}

use Outcome::{Accepted, NotOffered, Refused};

/// A server with a certificate and a key.
const SERVER: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
const IF_GIVEN: &str = "  client_auth_type: VerifyClientCertIfGiven\n";
const VERIFIED: &str = "  client_auth_type: RequireAndVerifyClientCert\n";
const CA: &str = "  client_ca_file: ca.pem\n";

/// Each file, its parts and the expected result. `HASH` stands for a hash.
const CASES: [(&str, &[&str], Outcome); 44] = [
    ("tls_config_noAuth.requireandverifyclientcert.good.yml", &[SERVER, VERIFIED, CA], Accepted),
    (
        "tls_config_noAuth.requireanyclientcert.good.yml",
        &[SERVER, "  client_auth_type: RequireAnyClientCert\n"],
        Accepted,
    ),
    (
        "tls_config_noAuth.requireanyclientcertkeyinline.good.yml",
        &["tls_server_config:\n  cert_file: server.pem\n  client_auth_type: RequireAnyClientCert\n  key: |\n", "KEY"],
        Accepted,
    ),
    (
        "web_config_auth_clientCAs_invalid.bad.yml",
        &[SERVER, "  client_ca_file: nowhere\n"],
        Refused("nowhere cannot be read"),
    ),
    // Accepted in spite of its name: the system's CAs are used.
    ("web_config_auth_clientCAs_missing.bad.yml", &[SERVER, VERIFIED], Accepted),
    // Bad only for the client of the toolkit's test.
    ("web_config_auth_client_san.bad.yaml", &[SERVER, VERIFIED, CA, "  client_allowed_sans: [bad]\n"], Accepted),
    (
        "web_config_auth_client_san.good.yaml",
        &[SERVER, VERIFIED, CA, "  client_allowed_sans: [one, test3, two]\n"],
        Accepted,
    ),
    (
        "web_config_auth_user_list_invalid.bad.yml",
        &[SERVER, "basic_auth_users:\n  john: doe\n"],
        Refused("basic_auth_users.john: is not a bcrypt hash"),
    ),
    ("web_config_empty.yml", &[], Accepted),
    (
        "web_config_headers.good.yml",
        &[
            "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n",
            "    Strict-Transport-Security: max-age=31536000; includeSubDomains\n    X-XSS-Protection: 1\n",
            "    Content-Security-Policy: \"default-src 'self' *.example.net\"\n",
        ],
        Accepted,
    ),
    (
        "web_config_headers_content_type_options.bad.yml",
        &["http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n"],
        Refused("`sniff` is not known"),
    ),
    (
        "web_config_headers_extra_header.bad.yml",
        &["http_server_config:\n  headers:\n    Content-Type: foo\n"],
        Refused("this header cannot be configured"),
    ),
    (
        "web_config_headers_frame_options.bad.yml",
        &["http_server_config:\n  headers:\n    X-Frame-Options: foo\n"],
        Refused("`foo` is not known"),
    ),
    ("web_config_junk.yml", &["bWkN\nTuEj\nay3R\n"], Refused("mapping")),
    (
        "web_config_junk_key.yml",
        &["tls_server_config:\n  cert_filse: server.pem\n"],
        Refused("unknown key `cert_filse`"),
    ),
    ("web_config_noAuth.bad.yml", &[SERVER, "  client_ca_file: /dev/null\n"], Refused("client_ca_file")),
    ("web_config_noAuth.good.blocking.yml", &[SERVER, VERIFIED], Accepted),
    ("web_config_noAuth.good.yml", &[SERVER, IF_GIVEN], Accepted),
    (
        "web_config_noAuth_allCiphers.good.yml",
        &[
            SERVER,
            IF_GIVEN,
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256, ",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]\n",
        ],
        NotOffered("`TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA` is not offered"),
    ),
    // Every offered suite.
    (
        "web_config_noAuth_allCiphers.good.yml, less what is weak",
        &[
            SERVER,
            IF_GIVEN,
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, ",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, ",
            "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256]\n",
        ],
        Accepted,
    ),
    (
        "web_config_noAuth_allCurves.good.yml",
        &[SERVER, IF_GIVEN, "  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n"],
        NotOffered("`CurveP521` is not offered"),
    ),
    (
        "web_config_noAuth_allCurves.good.yml, less one",
        &[SERVER, IF_GIVEN, "  curve_preferences: [CurveP256, CurveP384, X25519]\n"],
        Accepted,
    ),
    (
        "web_config_noAuth_certPath_empty.bad.yml",
        &["tls_server_config:\n  cert_file: \"\"\n  key_file: server.key\n"],
        Refused("tls_server_config.cert: is missing"),
    ),
    (
        "web_config_noAuth_certPath_invalid.bad.yml",
        &["tls_server_config:\n  cert_file: nowhere\n  key_file: server.key\n"],
        Refused("nowhere cannot be read"),
    ),
    (
        "web_config_noAuth_certPath_keyPath_empty.bad.yml",
        &["tls_server_config:\n  cert_file: \"\"\n  key_file: \"\"\n  client_auth_type: x\n"],
        Refused("tls_server_config.cert: is missing"),
    ),
    (
        "web_config_noAuth_certPath_keyPath_invalid.bad.yml",
        &["tls_server_config:\n  cert_file: nowhere\n  key_file: nowhere\n"],
        Refused("nowhere cannot be read"),
    ),
    (
        "web_config_noAuth_cert_empty.bad.yml",
        &["tls_server_config:\n  cert: \"\"\n  key_file: server.key\n"],
        Refused("tls_server_config.cert: is missing"),
    ),
    (
        "web_config_noAuth_inventedCiphers.bad.yml",
        &[SERVER, "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]\n"],
        Refused("is not known"),
    ),
    (
        "web_config_noAuth_inventedCurves.bad.yml",
        &[SERVER, "  curve_preferences: [CurveP257]\n"],
        Refused("`CurveP257` is not known"),
    ),
    (
        "web_config_noAuth_keyPath_empty.bad.yml",
        &["tls_server_config:\n  cert_file: server.pem\n  key_file: \"\"\n"],
        Refused("tls_server_config.key: is missing"),
    ),
    (
        "web_config_noAuth_keyPath_invalid.bad.yml",
        &["tls_server_config:\n  cert_file: nowhere\n  key_file: nothing\n"],
        Refused("nowhere cannot be read"),
    ),
    (
        "web_config_noAuth_key_empty.bad.yml",
        &["tls_server_config:\n  cert_file: server.pem\n  key: \"\"\n"],
        Refused("tls_server_config.key: is missing"),
    ),
    (
        "web_config_noAuth_noHTTP2.good.yml",
        &[
            SERVER,
            IF_GIVEN,
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  max_version: TLS12\n",
            "http_server_config:\n  http2: false\n",
        ],
        Accepted,
    ),
    (
        "web_config_noAuth_noHTTP2Cipher.bad.yml",
        &[SERVER, IF_GIVEN, "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n  max_version: TLS12\n"],
        Refused("HTTP/2 needs a suite"),
    ),
    (
        "web_config_noAuth_someCiphers.good.yml",
        &[
            SERVER,
            IF_GIVEN,
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n",
            "  min_version: TLS12\n  max_version: TLS12\n",
        ],
        Accepted,
    ),
    (
        "web_config_noAuth_someCiphers_noOrder.good.yml",
        &[
            SERVER,
            IF_GIVEN,
            "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n",
            "  prefer_server_cipher_suites: false\n  min_version: TLS12\n  max_version: TLS12\n",
        ],
        Accepted,
    ),
    (
        "web_config_noAuth_someCurves.good.yml",
        &[SERVER, IF_GIVEN, "  min_version: TLS13\n  curve_preferences: [CurveP521]\n"],
        NotOffered("`CurveP521` is not offered"),
    ),
    (
        "web_config_noAuth_tlsInline.good.yml",
        &["tls_server_config:\n", IF_GIVEN, "  key: |\n", "KEY", "  cert: |\n", "CERTIFICATE"],
        Accepted,
    ),
    (
        "web_config_noAuth_wrongTLSVersion.bad.yml",
        &[SERVER, IF_GIVEN, "  min_version: TLS111\n"],
        Refused("`TLS111` is not known"),
    ),
    ("web_config_rate_limiter_nonblocking.yaml", &["rate_limit:\n  interval: 0\n  burst: 0\n"], Accepted),
    ("web_config_rate_limiter_one_second.yaml", &["rate_limit:\n  interval: \"1s\"\n  burst: 0\n"], Accepted),
    ("web_config_users.good.yml", &[SERVER, "basic_auth_users:\n  alice: HASH\n  bob: HASH\n"], Accepted),
    ("web_config_users_noTLS.good.yml", &["basic_auth_users:\n  alice: HASH\n  bob: HASH\n"], Accepted),
    // No file of the toolkit: how its YAML is read.
    (
        "a user and a file that look like numbers",
        &[SERVER, "basic_auth_users:\n  1234: HASH\n", "http_server_config:\n  http2: on\n"],
        Accepted,
    ),
];

#[test]
fn exporter_toolkit_cases() {
    let folder = TempDir::new().unwrap();
    let read = |name: &str| fs::read_to_string(Path::new("tests/configs/web").join(name)).unwrap();
    for name in ["server.pem", "server.key", "ca.pem"] {
        fs::write(folder.path().join(name), read(name)).unwrap();
    }
    let indented = |name: &str| read(name).lines().map(|line| format!("    {line}\n")).collect::<String>();
    let (key, certificate) = (indented("server.key"), indented("server.pem"));
    let file = folder.path().join("web.yml");
    for (name, parts, expected) in CASES {
        let part = |part: &&str| match *part {
            "KEY" => key.clone(),
            "CERTIFICATE" => certificate.clone(),
            text => text.replace("HASH", "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"),
        };
        let text: String = parts.iter().map(part).collect();
        fs::write(&file, &text).unwrap();
        match (expected, LiveWebConfig::check(&file).map_err(|faults| faults.to_string())) {
            (Accepted, Ok(_)) => {}
            (Refused(words) | NotOffered(words), Err(message)) if message.contains(words) => {}
            (expected, outcome) => panic!("{name}: {outcome:?}, and it should be {expected:?}\n{text}"),
        }
    }
    assert!(LiveWebConfig::check(&folder.path().join("somefile")).is_err());
}
