// SPDX-License-Identifier: GPL-2.0

//! The tests of the tools that are no Rust.

use std::path::Path;
use std::process::Command;

#[test]
fn the_conformance_table_counts_right() {
    let selftests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "conformance_test"])
        .current_dir(selftests)
        .output()
        .expect("python3 is needed for `make conformance` and its tests");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(!report.contains("Ran 0 tests"), "{report}");
}

/// The text of a file of the project.
fn text(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(top.join(path)).unwrap()
}

#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = text("README.md");
    for (language, path) in [
        ("c", "selftests/example.c"),
        ("python", "selftests/example.py"),
    ] {
        let block = format!("```{language}\n{}```\n", text(path));
        assert!(readme.contains(&block), "{path} is not in the README");
    }
}

#[test]
fn the_python_example_echoes() {
    // The host's own TCP stands in: the calls are the same.
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../example.py");
    let output = Command::new("python3")
        .arg(example)
        .arg("6")
        .output()
        .expect("python3 is needed");
    assert!(output.status.success());
    assert_eq!(output.stdout, b"echoed: hello\n");
}
