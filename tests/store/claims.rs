//! Who holds a task: submits, claims, events, and hands that are gone.

use std::collections::HashSet;

use adjourn::store::{Scope, StepCommit, Store, StoreError, TaskFilter};
use adjourn::task::id::TaskId;
use adjourn::task::outcome::Ending;

use crate::support::*;

#[tokio::test]
async fn the_same_key_is_the_same_task_and_another_definition_is_refused() {
    let place = Place::new();
    let store = place.store().await;
    let first = store.submit(vec![new_task("a")], at(0)).await.unwrap();
    let second = store.submit(vec![new_task("a")], at(1)).await.unwrap();
    assert!(first[0].created);
    assert!(!second[0].created);
    assert_eq!(first[0].id, second[0].id);

    let mut other = new_task("a");
    other.definition = "{}".into();
    // All or none: the task before the clash is not stored either.
    let refused = store.submit(vec![new_task("b"), other], at(2)).await;
    assert!(
        matches!(&refused, Err(StoreError::KeyTaken { task, .. }) if *task == first[0].id),
        "{refused:?}"
    );
    let all = store.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn kills_are_claimed_first_then_resumes_then_starts() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["resumed", "killed", "fresh"]).await;
    for _ in 0..2 {
        let claimed = claim_one(&store, 1).await;
        defer(&store, &claimed, 1).await;
    }
    let fence = store.task(ids[0]).await.unwrap().fence;
    store.fire(ids[0], fence, event(), at(2)).await.unwrap();
    store.cancel(ids[1], "by a test", at(2)).await.unwrap();
    let claimed = store.claim("me", &Scope::All, 10, at(40), at(3)).await;
    let order: Vec<TaskId> = claimed.unwrap().iter().map(|task| task.row.id).collect();
    assert_eq!(order, [ids[1], ids[0], ids[2]]);
}

#[tokio::test]
async fn two_engines_never_claim_the_same_task() {
    let place = Place::new();
    let (one, two) = (place.store().await, place.store().await);
    let names: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    submit(&one, &names).await;
    let mut claims = Vec::new();
    for round in 0..10 {
        let (mine, theirs) = tokio::join!(
            one.claim("one", &Scope::All, 3, at(60), at(round)),
            two.claim("two", &Scope::All, 3, at(60), at(round)),
        );
        for task in mine.unwrap().into_iter().chain(theirs.unwrap()) {
            claims.push(task.row.id);
        }
    }
    let distinct: HashSet<TaskId> = claims.iter().copied().collect();
    assert_eq!(claims.len(), 40);
    assert_eq!(distinct.len(), 40);
}

#[tokio::test]
async fn an_event_fires_once_and_a_late_one_changes_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let claimed = claim_one(&store, 1).await;
    defer(&store, &claimed, 1).await;
    let fence = claimed.row.fence;
    let fired = store.fire(id, fence, event(), at(30)).await.unwrap();
    assert_eq!(fired.resumes, 1);
    assert_eq!(fired.event, Some(event()));
    assert_eq!(store.trigger_of(id).await.unwrap(), None);

    let again = store.fire(id, fence, event(), at(31)).await;
    assert!(matches!(again, Err(StoreError::FenceLost { .. })));
    assert_eq!(store.task(id).await.unwrap(), fired);
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_writes_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let id = submit(&store, &["a"]).await[0];
    let lost = claim_one(&store, 1).await;
    let nobody = HashSet::new();
    // The lease of 30 s has not ended yet at second 20, and has at second 40.
    assert!(
        store
            .reclaim(&Scope::All, &nobody, at(20))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store
            .reclaim(&Scope::All, &nobody, at(40))
            .await
            .unwrap()
            .len(),
        1
    );
    let held = claim_one(&store, 41).await;
    let (task, fence) = (lost.row.id, lost.row.fence);
    let before = store.task(id).await.unwrap();

    let complete = StepCommit::Complete(Ending::default());
    let lines = vec![line(b"late", 1)];
    let refusals = [
        store.renew(task, fence, at(90), at(42)).await.err(),
        store
            .commit_step(task, fence, "me", complete, at(42))
            .await
            .err(),
        store
            .append_log(task, fence, lines, cursor(1), at(42))
            .await
            .err(),
        store
            .intend_pod(task, fence, intent("p"), at(42))
            .await
            .err(),
        store
            .pod_created(task, fence, "p".into(), "u".into(), at(42))
            .await
            .err(),
    ];
    for refusal in refusals {
        assert!(
            matches!(refusal, Some(StoreError::FenceLost { .. })),
            "{refusal:?}"
        );
    }
    assert_eq!(store.task(id).await.unwrap(), before);
    assert!(store.log_lines(id, 0, 10).await.unwrap().is_empty());
    assert!(store.pods(id).await.unwrap().is_empty());
    assert_eq!(before.fence, held.row.fence);
}

#[tokio::test]
async fn a_dead_owners_claim_is_taken_over_at_once() {
    let place = Place::new();
    let store = place.store().await;
    submit(&store, &["a"]).await;
    claim_one(&store, 1).await;
    let dead = HashSet::from(["me".to_owned()]);
    assert_eq!(store.holders(&Scope::All).await.unwrap(), dead);
    let taken = store.reclaim(&Scope::All, &dead, at(2)).await.unwrap();
    assert_eq!(taken.len(), 1);
    // The second claim is of the same attempt: its deadline stays where it was.
    let again = claim_one(&store, 300).await;
    assert_eq!(again.row.deadline, Some(at(601)));
    assert_eq!(again.row.try_number, 1);
}

#[tokio::test]
async fn orphaned_triggers_pass_to_a_living_engine_and_others_do_not() {
    let place = Place::new();
    let store = place.store().await;
    let ids = submit(&store, &["a", "b"]).await;
    for _ in &ids {
        let claimed = claim_one(&store, 1).await;
        defer(&store, &claimed, 1).await;
    }
    let watched = |store: Store, owner: &'static str| async move {
        let mut fences = store.watched_fences(owner, &Scope::All).await.unwrap();
        fences.sort_unstable();
        fences.into_iter().map(|(task, _)| task).collect::<Vec<_>>()
    };
    assert_eq!(watched(store.clone(), "me").await, ids);
    let scope = Scope::Tasks(vec![ids[1]]);
    let dead = HashSet::from(["me".to_owned()]);
    let adopted = store.adopt_triggers("heir", &scope, &dead).await.unwrap();
    assert_eq!(adopted, 1);
    assert_eq!(watched(store.clone(), "heir").await, ids[1..]);
    assert_eq!(watched(store.clone(), "me").await, ids[..1]);
    assert_eq!(
        store.watchers(&Scope::All).await.unwrap(),
        HashSet::from(["heir".to_owned(), "me".to_owned()])
    );
    let whole = store.triggers_of("heir", &ids).await.unwrap();
    assert_eq!(whole.len(), 1, "the other one is somebody else's");
    assert_eq!(whole[0].spec, trigger());
    assert_eq!(whole[0].fence, store.task(ids[1]).await.unwrap().fence);
}

#[tokio::test]
async fn a_timeout_beyond_all_time_is_claimed_like_any_other() {
    let place = Place::new();
    let store = place.store().await;
    let mut task = new_task("patient");
    task.execution_timeout = Some(std::time::Duration::MAX);
    store.submit(vec![task], at(0)).await.unwrap();
    let claimed = claim_one(&store, 1).await;
    assert!(claimed.row.deadline.unwrap() > at(100 * 365 * 86_400));
    let again = store.task(claimed.row.id).await.unwrap();
    assert_eq!(again.deadline, claimed.row.deadline);
}
