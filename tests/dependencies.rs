//! What we depend on is held to `deny.toml`, here too: `cargo deny` is not on every machine.
//!
//! `cargo deny` reads more (a licence's text, what a crate says by mistake); this test reads what
//! each package declares.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::process::Command;

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn rules() -> toml::Table {
    include_str!("../deny.toml").parse().unwrap()
}

fn words<'a>(list: &'a toml::Value, member: Option<&str>) -> Vec<&'a str> {
    let words = list.as_array().unwrap().iter();
    words
        .map(|word| {
            member
                .map_or(word, |member| &word[member])
                .as_str()
                .unwrap()
        })
        .collect()
}

/// Every package that is built on this machine, as cargo knows it.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version=1"])
        .args(["--all-features", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let built: Vec<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| built.contains(&package["id"].as_str().unwrap()))
        .cloned()
        .collect()
}

/// Whether somebody who grants himself `allowed` may use what stands under `expression`.
fn grants(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ")
        .replace(" WITH ", "_WITH_");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let granted = either(&tokens, &mut at, allowed);
    assert_eq!(at, tokens.len(), "{expression} is not understood");
    granted
}

fn either(tokens: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut granted = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        granted |= both(tokens, at, allowed);
    }
    granted
}

fn both(tokens: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut granted = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        granted &= one(tokens, at, allowed);
    }
    granted
}

fn one(tokens: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let token = tokens[*at];
    *at += 1;
    if token == "(" {
        let granted = either(tokens, at, allowed);
        assert_eq!(tokens[*at], ")");
        *at += 1;
        return granted;
    }
    allowed.contains(&token.replace("_WITH_", " WITH ").as_str())
}

#[test]
fn expressions_of_licences_are_read_as_they_are_meant() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(grants(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR MPL-2.0)",
        "Apache-2.0",
    ] {
        assert!(!grants(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_we_may_use() {
    let rules = rules();
    let allowed = words(&rules["licenses"]["allow"], None);
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| {
            let licence = package["license"].as_str();
            !licence.is_some_and(|licence| grants(licence, &allowed))
        })
        .map(|package| format!("{} ({})", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn every_dependency_comes_from_one_place_and_none_is_banned() {
    let rules = rules();
    let banned = words(&rules["bans"]["deny"], Some("crate"));
    assert!(!banned.is_empty());
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.contains(&name), "{name} is banned in deny.toml");
        let source = package["source"].as_str();
        assert!(
            source == Some(CRATES_IO) || name == "adjourn",
            "{name} comes from {source:?}"
        );
    }
}
