//! The pages with their script: up to date without a hand, keys, logs that go on.

use serde_json::json;

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{script, with};

#[test]
fn the_list_follows_a_task_to_its_end() {
    let site = Site::new();
    let mut browser = Browser::start();
    browser.go(&site.at("/"));
    assert!(browser.text("main").contains("There is no task yet"));
    browser.until("document.querySelector('#live').innerText === 'live'");
    let id = site
        .home
        .submit(&script(&site.home.dag, "seen", "echo a; exit 3"));
    // Nobody asks for the page again.
    browser.until(&format!(
        "document.querySelector('#task-{id} .badge').innerText === 'failed'"
    ));
    // The counts are another question to the database than the rows, and may be told by the next
    // change only.
    browser.until("document.querySelector('.states .failed').innerText.endsWith('1')");
    assert!(
        browser
            .text(&format!("#task-{id} .reason"))
            .contains("exit code 3")
    );

    browser.click(".states .success");
    browser.until("location.search === '?state=success'");
    browser.until("document.readyState === 'complete'");
    assert!(browser.text("main").contains("No task fits"));
    browser.go(&site.at(&format!("/?dag_id={}&state=failed", site.home.dag)));
    assert!(browser.text("#part-rows").contains("seen"));
}

#[test]
fn a_tasks_page_shows_its_life_its_log_and_its_result() {
    let site = Site::new();
    let task = with(
        script(
            &site.home.dag,
            "long",
            "echo first; sleep 3; echo second; echo '{\"n\": 7}' > /airflow/xcom/return.json; sleep 3; echo third",
        ),
        json!({"logging_interval": 1, "poll_interval": 1, "do_xcom_push": true}),
    );
    let id = site.home.submit(&task);
    let mut browser = Browser::start();
    browser.go(&site.at(&format!("/tasks/{id}")));
    browser.until("document.querySelector('#log').innerText.includes('first')");
    browser.until("document.querySelector('#log').innerText.includes('second')");
    browser.until("document.querySelector('#log').innerText.includes('third')");
    browser.until("document.querySelector('#log-end').innerText.includes('has ended')");
    browser.until("document.querySelector('h1 .badge').innerText === 'success'");

    // Drawn, not only listed.
    for drawn in [
        "rect.fill.deferred",
        ".mark.deferred",
        ".mark.resumed",
        ".mark.success",
        ".mark.pod",
    ] {
        let wide = browser.value(&format!(
            "document.querySelector('.timeline > svg {drawn}').getBoundingClientRect().width > 0"
        ));
        assert_eq!(wide, true, "{drawn}");
    }
    assert!(browser.text(".results").contains("\"n\": 7"));
    let pod = site.home.describe(&id)["pod"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(browser.text("#part-head").contains(&pod));
    assert!(browser.text("#deferrals").contains("resumed"));

    // The search marks what is there, and finds what is not.
    browser.key("/");
    browser.write("SECOND");
    browser.until("document.querySelectorAll('.line.found').length === 1");
    browser.key("Enter");
    browser.until("location.search === '?q=SECOND'");
    browser.until("document.querySelectorAll('#log .line').length === 1");
}

#[test]
fn the_page_can_be_worked_without_a_mouse() {
    let site = Site::new();
    for name in ["one", "two"] {
        site.home.submit(&script(&site.home.dag, name, "exit 0"));
    }
    // Both, or the rows are drawn anew while keys are pressed.
    site.home.run(&["wait", "1", "2"]).expect(0);
    let mut browser = Browser::start();
    browser.go(&site.at("/"));
    browser.key("/");
    browser.until("document.activeElement.name === 'dag_id'");
    browser.key("Escape");
    browser.until("document.activeElement === document.body");
    browser.key("j");
    browser.key("j");
    browser.key("k");
    browser.key("x");
    browser.until("document.querySelector('#ticked').innerText === '1 ticked'");
    browser.key("?");
    browser.until("document.querySelector('#help').open");
    browser.click("#help button");
    browser.until("!document.querySelector('#help').open");
    browser.key("j");
    browser.key("Enter");
    browser.until("location.pathname === '/tasks/1'");
}

#[test]
fn what_a_task_is_called_is_only_text() {
    let site = Site::new();
    let wicked =
        "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";
    let said = format!("echo '{}'; exit 1", wicked.replace('\'', "\""));
    let id = site.home.submit(&script(&site.home.dag, "plain", &said));
    site.home.until_state(&id, "failed");
    // No such name is taken in; one that came about in another way is shown all the same.
    let stored = wicked.replace('\'', "''");
    site.home.change(&format!(
        "UPDATE tasks SET task_id = '{stored}', run_id = '\"><b>run</b>', reason = '{stored}'"
    ));
    let mut browser = Browser::start();
    browser.go(&site.at("/"));
    browser.until("document.querySelector('#task-1 .badge')?.innerText === 'failed'");
    assert!(browser.text("#task-1 .name").contains(wicked));
    for path in [
        "/".to_owned(),
        format!("/tasks/{id}"),
        "/?q=1&task_id=%22%3E%3Cimg%20src%3Dx%3E".to_owned(),
    ] {
        browser.go(&site.at(&path));
        let made = browser.value(
            "document.querySelectorAll('main script, main img, main b b, main td > b').length",
        );
        assert_eq!(made, 0, "{path}");
        assert_ne!(browser.value("document.title"), "taken");
    }
    browser.go(&site.at(&format!("/tasks/{id}")));
    browser.until("document.querySelector('#log').innerText.includes('onerror=')");
    assert_ne!(browser.value("document.title"), "taken");
}

#[test]
fn the_overview_draws_what_happened() {
    let site = Site::new();
    let task = with(
        script(&site.home.dag, "drawn", "sleep 1"),
        json!({"poll_interval": 1}),
    );
    let id = site.home.submit(&task);
    site.home.run(&["wait", &id]).expect(0);
    let mut browser = Browser::start();
    browser.go(&site.at("/overview?window=15m"));
    assert_eq!(
        browser.value("document.querySelectorAll('.chart').length"),
        7
    );
    let ended = browser.value("document.querySelector('[aria-labelledby=ended-title] rect.fill.success:not([width=\"10\"])').getBoundingClientRect().height");
    assert!(ended.as_f64().unwrap() > 10.0, "{ended}");
    assert!(browser.text("main").contains("none is late"));
    assert!(
        browser
            .text("main")
            .contains("requests since this daemon began")
    );
    assert!(
        browser.value("document.querySelector('#requests').textContent.includes('200')") == true
    );
    assert!(browser.text(".states .success").ends_with('1'));
}
