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
