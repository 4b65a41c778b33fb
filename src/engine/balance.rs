//! Spreading what is watched over the daemons that are alive, so that each watches as much.
//!
//! Who has less than its share takes from who has the most, a batch at a time. Nobody decides for
//! others, and nobody needs to be told: whoever loses a trigger sees it when it next holds its
//! waiters against the store, and until then two wait for the same, of which the store takes one.

use super::running::{Shared, live_daemons};
use crate::store::{EngineKind, StoreError};

/// How many triggers change hands at once.
const BATCH: u64 = 1000;

/// How often in a row, so that a share of very many is not long in coming.
const BATCHES: usize = 10;

/// The share of its due that a daemon may lack: steps begin and end all the time.
const SLACK: u64 = 10;

/// Takes what is missing from this engine's share; takes note of how many share.
pub(super) async fn take_share(shared: &Shared) -> Result<(), StoreError> {
    if shared.kind == EngineKind::Run {
        return Ok(());
    }
    let daemons = live_daemons(&shared.store, shared.clock.now()).await?;
    let owners: Vec<String> = daemons.into_iter().map(|daemon| daemon.owner).collect();
    shared.sharing.send_replace(owners.len().max(1));
    if owners.len() < 2 {
        return Ok(());
    }
    let owner = shared.owner.as_str();
    for _ in 0..BATCHES {
        let counts = shared.store.watched_by(&owners).await?;
        let Some((from, count)) = missing(owner, owners.len() as u64, &counts) else {
            return Ok(());
        };
        let taken = shared.store.take_triggers(owner, from, count).await?;
        if taken == 0 {
            return Ok(());
        }
        tracing::info!(taken, from, "took a share of what is watched");
        shared.adopted.notify_one();
    }
    Ok(())
}

/// From whom how many triggers are to be taken.
fn missing<'c>(owner: &str, sharing: u64, counts: &'c [(String, u64)]) -> Option<(&'c str, u64)> {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mine = counts.iter().find(|(one, _)| one == owner);
    let mine = mine.map_or(0, |(_, count)| *count);
    let share = total / sharing;
    let lacking = share.saturating_sub(mine);
    if lacking <= share / SLACK {
        return None;
    }
    let (from, most) = counts.iter().max_by_key(|(_, count)| *count)?;
    let over = most.saturating_sub(share);
    let count = lacking.min(over).min(BATCH);
    (count > 0).then_some((from.as_str(), count))
}

#[cfg(test)]
mod tests {
    use super::missing;

    fn counts(of: &[(&str, u64)]) -> Vec<(String, u64)> {
        let counts = of.iter();
        counts
            .map(|(owner, count)| ((*owner).to_owned(), *count))
            .collect()
    }

    #[test]
    fn who_joins_takes_its_share_from_who_has_the_most() {
        let counts = counts(&[("a", 60), ("b", 30)]);
        assert_eq!(missing("c", 3, &counts), Some(("a", 30)));
    }

    #[test]
    fn nobody_takes_what_would_leave_the_other_with_less_than_its_share() {
        let counts = counts(&[("a", 40), ("b", 35)]);
        assert_eq!(missing("c", 3, &counts), Some(("a", 15)));
    }

    #[test]
    fn a_little_less_than_the_share_is_enough() {
        let counts = counts(&[("a", 105), ("b", 95)]);
        assert_eq!(missing("b", 2, &counts), None);
        assert_eq!(missing("a", 2, &counts), None);
    }

    #[test]
    fn a_single_trigger_stays_where_it_is() {
        assert_eq!(missing("b", 2, &counts(&[("a", 1)])), None);
    }
}
