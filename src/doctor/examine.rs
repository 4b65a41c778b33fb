//! Asks the database and every cluster that it knows of.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::cluster::{Cluster, Unlooked};
use super::finding::{Finding, FindingKind, Report};
use super::judge::{Known, judge};
use crate::clock::Clock;
use crate::engine::is_provably_dead;
use crate::operator::Operators;
use crate::pod::client::{Connections, DEFAULT_CONNECTION};
use crate::store::{Checkup, Store, StoreError};
use crate::task::pods::{ConnectionOverrides, ConnectionRef};
use crate::task::state::TaskState;
use crate::trigger::Triggers;

/// Whom the doctor asks.
pub struct Doctor {
    /// The database.
    pub store: Store,
    /// What tasks can do.
    pub operators: Operators,
    /// What tasks can wait for.
    pub triggers: Triggers,
    /// The ways to the clusters.
    pub connections: Connections,
    /// What time it is.
    pub clock: Clock,
}

impl Doctor {
    /// Looks at everything that can be looked at.
    ///
    /// # Errors
    /// What the database says, unless that is a finding itself.
    pub async fn examine(&self) -> Result<Report, StoreError> {
        let mut report = Report::default();
        match self.database(&mut report).await {
            Ok(rows) => self.clusters(&rows, &mut report).await?,
            Err(error) => match Finding::of_store(&error) {
                Some(finding) => {
                    report.findings.push(finding);
                    report
                        .unchecked
                        .push("the tasks and their pods: the database cannot be read".to_owned());
                }
                None => return Err(error),
            },
        }
        Ok(report)
    }

    async fn database(&self, report: &mut Report) -> Result<Checkup, StoreError> {
        for line in self.store.quick_check().await? {
            let what = format!("{} is damaged: {line}", self.store.path().display());
            let advice = "stop every engine, restore the file from a backup, or save what can be saved with `sqlite3 FILE .recover`";
            let finding = Finding::new(FindingKind::DatabaseDamaged, what, advice);
            report.findings.push(finding);
        }
        let rows = self.store.checkup().await?;
        for dangling in self.store.dangling_rows().await? {
            // A trigger without its task is a finding of its own.
            if dangling.table == "triggers" {
                continue;
            }
            let what = format!(
                "{} rows of {} name {} that are not there",
                dangling.count, dangling.table, dangling.parent
            );
            let advice = "another program has changed the database; they are in nobody's way";
            let finding = Finding::new(FindingKind::DanglingRows, what, advice);
            report.findings.push(finding);
        }
        let now = self.clock.now();
        let known = Known {
            operators: self.operators.kinds().collect(),
            triggers: &self.triggers,
            dead: dead_owners(&rows),
            clock: &self.clock,
            now,
        };
        report.findings.extend(judge(&rows, &known));
        let alive = self
            .store
            .engines()
            .await?
            .into_iter()
            .any(|engine| engine.alive_until > now && !is_provably_dead(&engine.owner));
        let waiting = !rows.unfinished.is_empty() || !rows.disposals.is_empty();
        if waiting && !alive {
            report.notes.push(format!(
                "no engine works on this database: {} tasks and {} pods wait for `adjourn serve`",
                rows.unfinished.len(),
                rows.disposals.len()
            ));
        }
        Ok(rows)
    }

    async fn clusters(&self, rows: &Checkup, report: &mut Report) -> Result<(), StoreError> {
        for (connection, mut namespaces) in places(rows) {
            let unchecked = |why: String| {
                format!(
                    "the pods and the clock of the connection {}: {why}",
                    connection.name
                )
            };
            let client = match self.connections.client(&connection).await {
                Ok(client) => client,
                Err(error) => {
                    report.unchecked.push(unchecked(error.to_string()));
                    continue;
                }
            };
            namespaces.insert(client.default_namespace().to_owned());
            let cluster = Cluster {
                store: &self.store,
                clock: &self.clock,
                connection: &connection,
                client: &client,
            };
            match cluster.clock_skew().await {
                Ok(skew) => report.findings.extend(skew),
                Err(error) => {
                    report.unchecked.push(unchecked(error.to_string()));
                    continue;
                }
            }
            match cluster.pods(&namespaces).await {
                Ok(found) => report.findings.extend(found),
                Err(Unlooked::Api(error)) => report.unchecked.push(unchecked(error.to_string())),
                Err(Unlooked::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The connections that pods are on record for, and the usual one; each with its namespaces.
fn places(rows: &Checkup) -> HashMap<ConnectionRef, BTreeSet<String>> {
    let usual = ConnectionRef {
        name: DEFAULT_CONNECTION.to_owned(),
        overrides: ConnectionOverrides::default(),
    };
    let mut places = HashMap::from([(usual, BTreeSet::new())]);
    for own in &rows.pods {
        let intent = &own.record.intent;
        places
            .entry(intent.connection.clone())
            .or_insert_with(BTreeSet::new)
            .insert(intent.namespace.clone());
    }
    places
}

/// The owners of running tasks whose processes are gone for certain.
fn dead_owners(rows: &Checkup) -> HashSet<String> {
    rows.unfinished
        .iter()
        .flatten()
        .filter(|row| matches!(row.state, TaskState::Running { .. }))
        .filter_map(|row| row.owner.clone())
        .filter(|owner| is_provably_dead(owner))
        .collect()
}
