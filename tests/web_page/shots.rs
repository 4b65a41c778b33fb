//! Every page on a wide and on a narrow screen, light and dark: nothing reaches beyond the screen,
//! letters can be told from what they stand on, and pictures are left in the target directory for
//! whoever wants to look.

use std::path::Path;

use serde_json::json;

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{script, with};

/// The least contrast of a text with what is behind it, after WCAG 2 AA.
const CONTRAST: f64 = 4.5;

/// The least contrast of all texts on the page, and which one has it.
const LEAST_CONTRAST: &str = r#"(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let least = [21, ""];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const of = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !of.checkVisibility() || of.closest("svg, .unseen, .skip, dialog")) continue;
    const grounds = [];
    for (let at = of; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const [a, b] = [light(over([...grounds, getComputedStyle(of).color])), light(over(grounds))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < least[0]) least = [contrast, of.outerHTML.slice(0, 120)];
  }
  return least;
})()"#;

#[test]
fn every_page_fits_and_can_be_read_on_every_screen() {
    let mut site = Site::new();
    // As on anybody's machine: the pictures stand in the documents too.
    "etl".clone_into(&mut site.home.dag);
    let dag = &site.home.dag;
    let quick = json!({"logging_interval": 1, "poll_interval": 1, "run_id": "nightly__2026-01-31T00:00:00+00:00"});
    let submit = |name: &str, text: &str, more: serde_json::Value| {
        let task = with(with(script(dag, name, text), quick.clone()), more);
        site.home.submit(&task)
    };
    let good = submit(
        "load_orders",
        "for i in 1 2 3 4 5 6; do echo \"loaded part $i of 6\"; sleep 0.7; done; echo WARNING: 2 rows were empty",
        json!({}),
    );
    let bad = submit(
        "a_task_with_a_name_that_is_much_longer_than_most_of_them_are",
        "echo reading; echo ERROR: no such table; exit 3",
        json!({}),
    );
    let waits = submit("train_model", "echo epoch 1; sleep 1000", json!({}));
    submit("report", "sleep 1000", json!({}));
    site.home.run(&["wait", &good]).expect(0);
    site.home.run(&["wait", &bad]).expect(1);
    site.home.until_state(&waits, "deferred");
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web_page");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut browser = Browser::start();
    for (name, path) in [
        ("list", "/".to_owned()),
        ("task", format!("/tasks/{good}")),
        ("failed", format!("/tasks/{bad}")),
        ("overview", "/overview?window=15m".to_owned()),
        ("confirm", "/confirm?wish=cancel&state=deferred".to_owned()),
    ] {
        for (screen, width, height) in [("wide", 1280, 900), ("narrow", 400, 900)] {
            for (scheme, dark) in [("light", false), ("dark", true)] {
                browser.size(width, height);
                browser.dark(dark);
                browser.go(&site.at(&path));
                let shown = format!("{name}-{screen}-{scheme}");
                browser.picture(&pictures.join(format!("{shown}.png")));
                let reaches = browser.value("document.documentElement.scrollWidth");
                assert_eq!(reaches, width, "{shown} reaches beyond the screen");
                let least = browser.value(LEAST_CONTRAST);
                assert!(least[0].as_f64().unwrap() >= CONTRAST, "{shown}: {least}");
            }
        }
    }
}
