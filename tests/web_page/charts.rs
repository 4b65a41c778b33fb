//! The charts of what only the daemon itself knows: without a script, in words and as drawings.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{Home, eventually, script, with};

/// The height of the tallest column of a chart, in pixels; 0 without one.
fn tallest(browser: &mut Browser, chart: &str) -> f64 {
    let columns = format!(
        "Math.max(0, ...[...document.querySelectorAll('[aria-labelledby={chart}-title] g rect.fill')].map((it) => it.getBoundingClientRect().height))"
    );
    browser.value(&columns).as_f64().unwrap()
}

/// What a chart is to somebody who cannot see it.
fn words(browser: &mut Browser, chart: &str) -> String {
    let label =
        format!("document.querySelector('[aria-labelledby={chart}-title] [role=img]').ariaLabel");
    browser.value(&label).as_str().unwrap().to_owned()
}

#[test]
fn detection_errors_of_the_cluster_and_overdue_triggers_are_drawn_without_a_script() {
    let (home, proxy) = Home::new().through_a_proxy();
    let site = Site::of(home.set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0"));
    let mut browser = Browser::start();
    browser.scripts(false);
    let overview = site.at("/overview?window=15m");
    browser.go(&overview);
    for (chart, nothing) in [
        ("detection", "no report led to a resume in this time"),
        ("api-errors", "none in this time"),
        ("overdue", "none was late in this time"),
    ] {
        let words = words(&mut browser, chart);
        assert!(words.ends_with(&format!("Last: {nothing}")), "{words}");
        let shown = format!(
            "document.querySelector('[aria-labelledby={chart}-title] [role=img]').textContent"
        );
        let shown = browser.value(&shown);
        assert!(shown.as_str().unwrap().contains(nothing), "{shown}");
    }
    let quick = json!({"poll_interval": 1, "logging_interval": 600});
    let ends = with(script(&site.home.dag, "ends", "sleep 1"), quick.clone());
    let ends = site.home.submit(&ends);
    site.home.run(&["wait", &ends]).expect(0);
    let waits = with(script(&site.home.dag, "waits", "sleep 1000"), quick);
    let waits = site.home.submit(&waits);
    site.home.until_state(&waits, "deferred");
    proxy.refuse();
    proxy.cut();
    // Its waiter does not know of it: the look is late, as it would be under a daemon that hangs.
    site.home
        .change("UPDATE triggers SET next_log_at = next_log_at - 3600 * 1000");
    eventually("a column in each of the charts", || {
        browser.go(&overview);
        let drawn = ["detection", "api-errors", "overdue"];
        let heights = drawn.map(|chart| tallest(&mut browser, chart));
        heights.iter().all(|height| *height >= 1.0).then_some(())
    });
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web_page");
    std::fs::create_dir_all(&pictures).unwrap();
    for (scheme, dark) in [("light", false), ("dark", true)] {
        browser.size(1280, 1500);
        browser.dark(dark);
        browser.go(&overview);
        browser.picture(&pictures.join(format!("charts-{scheme}.png")));
    }
    let detection = words(&mut browser, "detection");
    assert!(detection.contains("UTC: mean "), "{detection}");
    let errors = words(&mut browser, "api-errors");
    assert!(
        errors.contains("errors ") && errors.ends_with(" %"),
        "{errors}"
    );
    let overdue = words(&mut browser, "overdue");
    assert!(
        overdue.contains("late ") && overdue.ends_with(" min"),
        "{overdue}"
    );
    browser.click("#overdue-figures summary");
    let figures = browser.text("#overdue-figures table");
    assert!(figures.contains(" min"), "{figures}");
    let metrics = site.curl(&[], "/metrics");
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("adjourn_detection_latency_seconds_count "));
    let counted: u64 = counted.unwrap().trim().parse().unwrap();
    assert!(counted >= 1, "{metrics}");
}
