//! What people are told of webhooks holds: how requests are verified, and what is said about secrets that are not there.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use stickiness::io::clock;
use stickiness::wire::webhook::{SigningSecret, signatures};

use crate::golden::run_with;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the Python of docs/webhooks.md says of a request.
fn verified(timestamp: i64, signature: &str, body: &str, secret: &str) -> String {
    let page = fs::read_to_string("docs/webhooks.md").expect("read");
    let block = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example in Python");
    let headers = format!("{{'webhook-id': 'transitions-0-7-00', 'webhook-timestamp': '{timestamp}', 'webhook-signature': '{signature}'}}");
    let program = format!("{block}\nprint(verify({headers}, '''{body}'''.encode(), '{secret}'))\n");
    let mut python = Command::new("python3").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    python.stdin.take().expect("a pipe").write_all(program.as_bytes()).expect("written");
    let output = python.wait_with_output().expect("ended");
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn the_example_in_python_verifies_what_is_signed() {
    let (now, body) = (clock::wall().millis() / 1000, r#"{"user_id": "ü", "to": null}"#);
    let secrets = SigningSecret::all_in(&format!("{SECRET} whsec_{}", "A".repeat(32))).expect("two secrets");
    let signed = |timestamp| signatures(&secrets, "transitions-0-7-00", timestamp, body.as_bytes());
    assert_eq!(verified(now, &signed(now), body, SECRET), "True");
    assert_eq!(verified(now, &signed(now), body, &format!("whsec_{}", "A".repeat(32))), "True", "while a secret is replaced");
    assert_eq!(verified(now, &signed(now), body, &format!("whsec_{}", "B".repeat(32))), "False");
    assert_eq!(verified(now, &signed(now), &body.replace("null", "'vip'"), SECRET), "False");
    assert_eq!(verified(now, &signed(now - 1), body, SECRET), "False");
    assert_eq!(verified(now - 900, &signed(now - 900), body, SECRET), "False", "a request of a quarter of an hour ago");
}

#[test]
fn secrets_that_are_not_there_are_told_before_anything_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let (settings, secret) = (directory.path().join("settings.toml"), directory.path().join("secret"));
    let webhook =
        |name: &str, source: &str| format!("[[webhooks]]\nname = \"{name}\"\nurl = \"https://x\"\nrecords = [\"alerts\"]\n{source}\n");
    let text = [
        webhook("a", "secret_env = \"STICKINESS_NO_SUCH_SECRET\""),
        webhook("b", "secret_env = \"STICKINESS_A_SECRET\""),
        webhook("c", &format!("secret_file = {:?}", secret.display().to_string())),
    ];
    // Nobody listens at this port: it is not asked.
    fs::write(&settings, format!("kafka.bootstrap_servers = \"127.0.0.1:1\"\n{}", text.concat())).expect("written");
    let done = |command: &[&str]| {
        let arguments = [command, &["--config", settings.to_str().expect("UTF-8")]].concat();
        run_with(&arguments, &[("STICKINESS_A_SECRET", "hunter2")])
    };
    let told = done(&["check"]);
    assert_eq!((told.status, told.stderr.contains("hunter2")), (2, false), "{}", told.stderr);
    for mistake in
        ["webhooks.a.secret_env: the environment", "webhooks.b.secret_env: a secret must be", "webhooks.c.secret_file: cannot be read"]
    {
        assert!(told.stderr.contains(mistake), "{}", told.stderr);
    }
    let told = done(&["run"]);
    assert_eq!((told.status, told.stderr.contains("webhooks.a.secret_env")), (2, true), "{}", told.stderr);
    assert_eq!(done(&["check", "--offline"]).status, 0, "settings alone are valid where the secrets are not");
}
