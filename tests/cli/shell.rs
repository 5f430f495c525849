//! What shells and `man` are given.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::golden::run;

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).stdout;
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    list.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn shells_complete_every_command() {
    let commands = commands();
    assert!(commands.len() > 12, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completions", shell]);
        assert_eq!((done.status, done.stderr.as_str()), (0, ""));
        for command in &commands {
            assert!(done.stdout.contains(command.as_str()), "{shell} does not know {command}");
        }
    }
}

#[test]
fn bash_completes_with_the_script() {
    let script = run(&["completions", "bash"]).stdout;
    let ask = "COMP_WORDS=(stickiness rep); COMP_CWORD=1; _stickiness stickiness rep stickiness; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash runs");
    bash.stdin.take().expect("a pipe").write_all(format!("{script}\n{ask}\n").as_bytes()).expect("written");
    let said = bash.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "replay");
}

#[test]
fn each_command_has_a_manual_page() {
    let page = run(&["man"]);
    assert_eq!((page.status, page.stderr.as_str()), (0, ""));
    assert!(page.stdout.contains(".TH stickiness 1") && page.stdout.contains("Where to begin"), "{:.400}", page.stdout);
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(run(&["man", "--directory", directory.path().to_str().expect("UTF-8")]).status, 0);
    for command in commands() {
        let path = directory.path().join(format!("stickiness-{command}.1"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    let done = run(&["man", "--directory", "no/such/folder"]);
    assert_eq!((done.status, done.stderr.starts_with("error: no/such/folder: ")), (1, true), "{}", done.stderr);
}
