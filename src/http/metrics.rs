//! What Prometheus is told. Everything is read when it asks; of what happens all the time only
//! sums are kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::{MatchedPath, State};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::problem::{Problem, ProblemKind};
use super::server::Api;
use crate::metrics::{Labels, Metrics};
use crate::service::Service;

/// What every name begins with.
const PREFIX: &str = "adjourn";

/// How long reading may take: scrapers wait for ten seconds.
const READ: Duration = Duration::from_secs(5);

/// How often it is looked how late a timer fires.
const LAG: Duration = Duration::from_millis(500);

/// What is told of requests for what is not there: nobody can make up names for metrics.
const NO_ROUTE: &str = "none";

/// The route that takes a request, by its pattern.
pub(super) struct Route(Option<MatchedPath>);

impl Route {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self(request.extensions().get().cloned())
    }
}

/// How often it is looked how late the oldest look at a waiting task is.
const OVERDUE: Duration = Duration::from_secs(5);

/// What there is to be told, and where what is read for it is put.
pub(super) struct Scrape {
    registry: Registry,
    tasks: Family<Labels<1>, Gauge>,
    transitions: Family<Labels<2>, Counter>,
    replicas: Gauge,
    watched: Family<Labels<1>, Gauge>,
    active_pods: Gauge,
    open_disposals: Gauge,
    overdue: Gauge<f64, AtomicU64>,
    answers: Family<Labels<2>, Counter>,
}

impl Scrape {
    pub(super) fn new(metrics: &Metrics, streams: &Gauge) -> Self {
        let mut scrape = Self {
            registry: Registry::with_prefix(PREFIX),
            tasks: Family::default(),
            transitions: Family::default(),
            replicas: Gauge::default(),
            watched: Family::default(),
            active_pods: Gauge::default(),
            open_disposals: Gauge::default(),
            overdue: Gauge::default(),
            answers: Family::default(),
        };
        let registry = &mut scrape.registry;
        metrics.register(registry);
        registry.register("tasks", "Tasks by state", scrape.tasks.clone());
        registry.register(
            "transitions",
            "Changes of tasks' states, by the event and the state that it led to",
            scrape.transitions.clone(),
        );
        registry.register(
            "replicas",
            "Daemons that are alive on this database",
            scrape.replicas.clone(),
        );
        registry.register(
            "triggers_watched",
            "Waiting tasks, by the replica or run that watches them",
            scrape.watched.clone(),
        );
        registry.register(
            "active_pods",
            "Pods that count as active",
            scrape.active_pods.clone(),
        );
        registry.register(
            "open_disposals",
            "Pods that are still to be deleted or stopped",
            scrape.open_disposals.clone(),
        );
        registry.register_with_unit(
            "oldest_overdue_trigger",
            "How late the oldest look at a waiting task is",
            Unit::Seconds,
            scrape.overdue.clone(),
        );
        registry.register(
            "http_requests",
            "Requests to the API and for pages, by the route that took them and the status of their answers",
            scrape.answers.clone(),
        );
        registry.register(
            "http_streams",
            "Answers of this API that go on",
            streams.clone(),
        );
        scrape
    }

    /// Counts an answer.
    pub(super) fn count(&self, route: &Route, status: StatusCode) {
        let route = route.0.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let labels = [
            ("route", route.to_owned()),
            ("code", status.as_str().to_owned()),
        ];
        self.answers.get_or_create(&labels).inc();
    }

    /// Everything, as OpenMetrics text. While the database is lost, what this process knows by
    /// itself is told all the same, and what it read last.
    pub(super) async fn text(&self, service: &Service) -> Result<String, Problem> {
        match tokio::time::timeout(READ, self.read(service)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) if problem.kind != ProblemKind::Unavailable => return Err(problem),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the database does not answer: metrics are those read last");
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| Problem::new(ProblemKind::Failed, error.to_string()))?;
        Ok(text)
    }

    /// Reads what is in the database.
    async fn read(&self, service: &Service) -> Result<(), Problem> {
        let stats = service.stats().await?;
        for (state, count) in &stats.tasks {
            let gauge = self.tasks.get_or_create(&[("state", state.clone())]);
            gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        for ((event, state), total) in service.transitions().await? {
            let counter = self
                .transitions
                .get_or_create(&[("event", event), ("to", state)]);
            // Two that ask at once may come here in any order: a sum never falls.
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.active_pods.set(whole(stats.active_pods));
        self.open_disposals.set(whole(stats.open_disposals));
        let alive = stats.engines.iter().filter(|engine| engine.alive);
        let replicas = alive.clone().filter(|engine| engine.kind == "serve");
        self.replicas.set(whole(replicas.count() as u64));
        self.watched.clear();
        for engine in alive {
            let labels = [("replica", engine.owner.clone())];
            self.watched
                .get_or_create(&labels)
                .set(whole(engine.triggers));
        }
        self.overdue
            .set(service.seconds_since(stats.oldest_overdue_trigger));
        Ok(())
    }
}

/// What Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, description = "the metrics, as OpenMetrics text", body = String,
               content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Result<(HeaderMap, String), Problem> {
    let text = api.scrape.text(&api.service).await?;
    let mut headers = HeaderMap::new();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok((headers, text))
}

/// Looks how late the oldest look at a waiting task is, until it is told to stop: the charts show
/// it over time.
pub(super) async fn watch_overdue(api: Arc<Api>) {
    let recent = api.service.store().metrics().recent.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(OVERDUE) => {}
            () = api.stopping.cancelled() => return,
        }
        match api.service.overdue().await {
            Ok(late) => recent.overdue(late.unwrap_or_default(), Instant::now().into_std()),
            Err(error) => tracing::debug!(%error, "it cannot be told which trigger is overdue"),
        }
    }
}

/// Looks how late timers fire, until it is told to stop.
pub(super) async fn measure_lag(lag: Histogram, stopping: CancellationToken) {
    loop {
        let due = Instant::now() + LAG;
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = stopping.cancelled() => return,
        }
        lag.observe(due.elapsed().as_secs_f64());
    }
}
