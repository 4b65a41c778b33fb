//! The table, and the same as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::claims::Claims;
use crate::durable::{Durable, GROUP};
use crate::lives::Lives;
use crate::logs::Logs;
use crate::machine;
use crate::stage::SLOTS;
use crate::waiting::{Latencies, Waiting};

/// What was measured; a part that was not asked for is missing.
#[derive(Default)]
pub struct Report {
    pub waiting: Vec<Waiting>,
    pub lives: Option<Lives>,
    pub durable: Option<Durable>,
    pub claims: Option<Claims>,
    pub logs: Option<Logs>,
}

impl Report {
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "machine": machine::facts(),
            "slots": SLOTS,
            "scale": self.waiting.iter().map(waiting).collect::<Vec<_>>(),
        });
        if let Some(lives) = &self.lives {
            json["lives_per_s"] = round(lives.per_second());
            json["lives"] = json!({
                "count": lives.count,
                "seconds": round(lives.seconds),
                "engine_cpu_ms_per_life": round(lives.engine_ms),
                "cluster_cpu_ms_per_life": round(lives.cluster_ms),
                "requests_per_life": lives.requests_per_life,
            });
        }
        if let Some(durable) = &self.durable {
            json["durable_ratio"] = round(durable.store / durable.raw);
            json["durable"] = json!({
                "group": GROUP,
                "store_changes_per_s": round(durable.store),
                "raw_changes_per_s": round(durable.raw),
            });
        }
        if let Some(claims) = &self.claims {
            let looks = claims.full.look / claims.empty.look;
            let taken = claims.full.claim / claims.empty.claim;
            json["claim_ratio_1m"] = round(looks.max(taken));
            json["claims"] = json!({
                "look_us": {"empty": round(claims.empty.look), "full": round(claims.full.look)},
                "claim_of_8_us":
                    {"empty": round(claims.empty.claim), "full": round(claims.full.claim)},
            });
        }
        if let Some(logs) = &self.logs {
            json["log_ratio"] = round(logs.engine / logs.nowhere);
            json["logs"] = json!({
                "bytes": logs.bytes,
                "engine_bytes_per_s": round(logs.engine),
                "nowhere_bytes_per_s": round(logs.nowhere),
                "bare_sqlite_bytes_per_s": round(logs.bare),
            });
        }
        json
    }
}

fn waiting(figures: &Waiting) -> Value {
    json!({
        "n": figures.n,
        "bytes_per_task": round(figures.bytes_per_task),
        "cpu_cores": figures.cpu_cores,
        "api_requests_per_s": round(figures.api_requests_per_s),
        "detect_p50_ms": round(figures.detect.p50),
        "detect_p99_ms": round(figures.detect.p99),
        "detect_max_ms": round(figures.detect.max),
        "detect_count": figures.detect.count,
        "watching_after_restart_ms": round(figures.watching_after_restart_ms),
        "list_in_after_restart_ms": round(figures.list_in_ms),
        "watching_after_list_ms": round(after_list(figures)),
        "detect_without_watch_p50_ms": round(figures.detect_without_watch.p50),
        "detect_without_watch_p99_ms": round(figures.detect_without_watch.p99),
        "detect_without_watch_max_ms": round(figures.detect_without_watch.max),
        "idle_bytes": figures.idle_bytes,
        "all_bytes": figures.all_bytes,
        "bytes_per_task_after_restart": round(figures.bytes_per_task_after_restart),
        "all_bytes_after_restart": figures.all_bytes_after_restart,
        "deferring_s": round(figures.deferring_s),
        "api_requests": figures.api_requests,
    })
}

fn after_list(figures: &Waiting) -> f64 {
    (figures.watching_after_restart_ms - figures.list_in_ms).max(0.0)
}

/// Three digits behind the point are more than is measured.
fn round(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.waiting.is_empty() {
            self.waiting_table(f)?;
        }
        if let Some(lives) = &self.lives {
            writeln!(
                f,
                "whole lives             {:>10.0} /s   ({} in {:.1} s; CPU of one: engine {:.2} ms, cluster {:.2} ms)",
                lives.per_second(),
                lives.count,
                lives.seconds,
                lives.engine_ms,
                lives.cluster_ms
            )?;
        }
        if let Some(durable) = &self.durable {
            writeln!(
                f,
                "durable state changes   {:>10.0} /s   raw loop {:.0} /s   ratio {:.2}",
                durable.store,
                durable.raw,
                durable.store / durable.raw
            )?;
        }
        if let Some(Claims { empty, full }) = &self.claims {
            writeln!(
                f,
                "claim of 8 tasks        {:>10.0} us   with 1,000,000 ended {:.0} us   ratio {:.2}",
                empty.claim,
                full.claim,
                full.claim / empty.claim
            )?;
            writeln!(
                f,
                "nothing to claim        {:>10.0} us   with 1,000,000 ended {:.0} us   ratio {:.2}",
                empty.look,
                full.look,
                full.look / empty.look
            )?;
        }
        if let Some(logs) = &self.logs {
            writeln!(
                f,
                "log bytes               {:>10.1} MB/s   read to nowhere {:.1} MB/s   ratio {:.2}   (its rows written by bare SQLite {:.1} MB/s)",
                logs.engine / 1e6,
                logs.nowhere / 1e6,
                logs.engine / logs.nowhere,
                logs.bare / 1e6
            )?;
        }
        Ok(())
    }
}

impl Report {
    fn waiting_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let three = |latencies: &Latencies| {
            format!(
                "{:.0} / {:.0} / {:.0}",
                latencies.p50, latencies.p99, latencies.max
            )
        };
        let mut rows: Vec<(&str, Vec<String>)> = vec![
            ("deferred tasks", self.column(|one| one.n.to_string())),
            (
                "bytes a task over idle",
                self.column(|one| format!("{:.0}", one.bytes_per_task)),
            ),
            (
                "  after a restart",
                self.column(|one| format!("{:.0}", one.bytes_per_task_after_restart)),
            ),
            (
                "memory in all, MiB",
                self.column(|one| format!("{:.1}", one.all_bytes as f64 / (1 << 20) as f64)),
            ),
            (
                "CPU, % of a core",
                self.column(|one| format!("{:.2}", one.cpu_cores * 100.0)),
            ),
            (
                "API requests a second",
                self.column(|one| format!("{:.2}", one.api_requests_per_s)),
            ),
        ];
        rows.extend([
            (
                "detection p50/p99/max, ms",
                self.column(|one| three(&one.detect)),
            ),
            (
                "  with a silent watch, ms",
                self.column(|one| three(&one.detect_without_watch)),
            ),
            (
                "restart: list is in, ms",
                self.column(|one| format!("{:.0}", one.list_in_ms)),
            ),
            (
                "restart: all watched, ms",
                self.column(|one| format!("{:.0}", one.watching_after_restart_ms)),
            ),
            (
                "time to defer all, s",
                self.column(|one| format!("{:.1}", one.deferring_s)),
            ),
        ]);
        for (what, cells) in rows {
            write!(f, "{what:<26}")?;
            for cell in cells {
                write!(f, "{cell:>22}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn column(&self, cell: impl Fn(&Waiting) -> String) -> Vec<String> {
        self.waiting.iter().map(cell).collect()
    }
}
