//! Running the command, and comparing what it prints with files in `tests/data`.

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt as _;

/// How a command ended.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the command in the package's folder.
pub(crate) fn run(arguments: &[&str]) -> Done {
    run_with(arguments, &[])
}

/// Runs the command with these variables, and without any other that sets keys.
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    let mut command = Command::cargo_bin("stickiness").expect("the binary");
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STICKINESS__"));
    ours.for_each(|(name, _)| _ = command.env_remove(name));
    let output = command.args(arguments).envs(variables.iter().copied()).output().expect("a run");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { status: output.status.code().expect("an exit status"), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Compares with the file, or writes it when `UPDATE_GOLDEN` is set.
#[track_caller]
pub(crate) fn check_golden(name: &str, found: &str) {
    let path = Path::new("tests/data").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).expect("a golden that can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{name} differs; look at the change with UPDATE_GOLDEN=1 and git diff. Found:\n{found:.2000}");
}
