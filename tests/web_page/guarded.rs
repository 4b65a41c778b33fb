//! The page where tokens are needed.

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{Home, script};

fn token(home: &Home, arguments: &[&str]) -> String {
    let made = home
        .run(&[&["token", "create"], arguments].concat())
        .expect(0);
    made.text().trim().to_owned()
}

#[test]
fn a_token_opens_the_page_and_one_that_may_only_look_changes_nothing() {
    let home = Home::new().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0");
    let full = token(&home, &["night"]);
    let looks = token(&home, &["wall", "--read-only"]);
    let site = Site::of(home);
    let id = site
        .home
        .submit(&script(&site.home.dag, "kept", "sleep 1000"));
    let mut browser = Browser::start();
    browser.go(&site.at(&format!("/tasks/{id}")));
    browser.until("location.pathname === '/login'");

    browser.click("#token");
    browser.write("adj_wrong");
    browser.key("Enter");
    browser.until("document.querySelector('[role=alert]') !== null");
    browser.click("#token");
    browser.write(&looks);
    browser.key("Enter");
    // Back to where one wanted to go, and the streams are open too.
    browser.until(&format!("location.pathname === '/tasks/{id}'"));
    browser.until("document.querySelector('#live').innerText === 'live'");
    assert_eq!(
        browser.value("document.cookie"),
        "",
        "the script cannot see the token"
    );
    assert_eq!(
        browser.value("document.querySelector('.head .acts')"),
        serde_json::Value::Null
    );
    let sent = browser.value(&format!(
        "fetch('/tasks/{id}/cancel', {{method: 'POST', headers: {{'content-type': 'application/x-www-form-urlencoded'}}}}).then(answer => answer.status)"
    ));
    assert_eq!(sent, 403);
    // The cookie alone changes nothing through the API either.
    let sent = browser.value(&format!(
        "fetch('/api/v1/tasks/{id}/cancel', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: '{{}}'}}).then(answer => answer.status)"
    ));
    assert_eq!(sent, 401);

    browser.click(".who button");
    browser.until("location.pathname === '/login'");
    browser.click("#token");
    browser.write(&full);
    browser.key("Enter");
    browser.until("location.pathname === '/'");
    browser.go(&site.at(&format!("/tasks/{id}")));
    browser.click(".head .acts button");
    site.home.until_state(&id, "cancelled");
    let history = site.home.describe(&id)["history"].to_string();
    assert!(
        history.contains("cancelled on the web page by night"),
        "{history}"
    );
}
