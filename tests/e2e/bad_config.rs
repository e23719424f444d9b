//! Configurations that must not start a gateway.

use crate::harness::{Options, refused};

fn check(config: &str, says: &[&str]) {
    let (code, said) = refused(Options::config(config));
    assert_eq!(code, Some(3), "{said}");
    for word in says {
        assert!(said.contains(word), "no `{word}` in:\n{said}");
    }
}

#[test]
fn an_unknown_key_is_shown_where_it_is_with_the_nearest() {
    check(
        "[server]\nlisten = \"127.0.0.1:0\"\nmax_bdy = \"1MiB\"\n",
        &["gateway.toml:3", "max_bdy", "max_body", "^"],
    );
    check(
        "[[models]]\nname = \"a\"\n[[models.deployments]]\nmodle = \"openai/gpt-4o\"\n",
        &["gateway.toml:4", "modle", "`model`"],
    );
}

#[test]
fn text_that_is_no_toml_and_values_that_make_no_sense_are_shown() {
    check("[server\n", &["gateway.toml:1"]);
    check("[server]\nrequest_timeout = 10\n", &["gateway.toml:2", "request_timeout"]);
    check("[[models]]\nname = \"a\"\ndeployments = [{ model = \"opnai/gpt-4o\" }]\n", &["opnai", "openai"]);
    check("[[models]]\nname = \"a\"\n", &["deployment"]);
    check("[auth]\nmaster_key = \"${NO_SUCH_VARIABLE}\"\n", &["gateway.toml:2", "NO_SUCH_VARIABLE"]);
}

#[test]
fn all_faults_are_told_at_once() {
    check("[server]\nfirst_fault = 1\nsecond_fault = 2\n", &["first_fault", "second_fault"]);
}

#[test]
fn an_open_address_without_a_key_is_refused_wherever_it_was_said() {
    check("[server]\nlisten = \"0.0.0.0:0\"\n", &["master_key", "gateway.toml:2"]);
    for args in [["--listen", "0.0.0.0:0"], ["--listen", "[::]:0"]] {
        let (code, said) = refused(Options::args(&args));
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("master key") && said.contains("127.0.0.1"), "{said}");
    }
    let (code, said) = refused(Options::args(&["--demo", "--listen", "0.0.0.0:0"]));
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, said) = refused(Options::args(&["--config", "/no/such/gateway.toml"]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("/no/such/gateway.toml"), "{said}");
}

#[test]
fn certificates_that_cannot_be_used_are_the_configurations_fault() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let tls = |path: &str| format!("[server]\ntls = {{ cert = \"{path}\", key = \"{path}\" }}\n");
    check(&tls("/no/such.pem"), &["gateway.toml:2", "^", "/no/such.pem"]);
    check(&tls(empty.to_str().unwrap()), &["gateway.toml:2", "^", "no certificate"]);
    // PEM in form, and no certificate in content: only the TLS library knows.
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    std::fs::write(&empty, pem("CERTIFICATE") + &pem("PRIVATE KEY")).unwrap();
    check(&tls(empty.to_str().unwrap()), &["server.tls"]);
    let ca = format!("[upstream]\nextra_ca = \"{}\"\n", empty.display());
    check(&ca, &["upstream.extra_ca"]);
}

#[test]
fn an_address_that_is_taken_is_exit_code_4() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(Options::args(&["--demo", "--listen", &address]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}
