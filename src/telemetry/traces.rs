//! Spans of tasks' steps, sent over OTLP as protobuf over HTTP.
//!
//! Nothing is sent unless OpenTelemetry's own variables name a place: `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. Its other variables (headers, timeout, service name, resource
//! attributes, sampler, sizes of batches) are read by its own libraries. A collector that is away or slow costs
//! spans, never a task's time.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::HttpError;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::http_client::HttpClient;

/// The target of the spans that are sent; whoever makes them uses it.
const TARGET: &str = "adjourn::span";

/// The longest that the end of the program waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How large a collector's answer may be.
const MOST_ANSWER: usize = 1 << 20;

/// How long a request may take, whatever the variables say: the library leaves that to its client.
const LONGEST: Duration = Duration::from_secs(60);

/// What sends spans.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends what has not been sent yet.
    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_WORDS) {
            tracing::warn!(%error, "the last spans may not have been sent");
        }
    }
}

/// The layer that sends spans, if the environment names a place to send them to.
pub(super) fn from_environment<S>() -> Option<(impl Layer<S>, Traces)>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let disabled =
        said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let none = said("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let place =
        said("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| said("OTEL_EXPORTER_OTLP_ENDPOINT"));
    if place.is_none() || disabled || none {
        return None;
    }
    let provider = match provider(said("OTEL_SERVICE_NAME").is_some()) {
        Ok(provider) => provider,
        Err(error) => {
            // Nothing tells yet.
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("warning: no traces are sent: {error}\n"),
            );
            return None;
        }
    };
    let tracer: SdkTracer = provider.tracer("adjourn");
    let layer = OpenTelemetryLayer::new(tracer)
        .with_threads(false)
        .with_location(false)
        .with_target(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE));
    Some((layer, Traces { provider }))
}

fn provider(named: bool) -> Result<SdkTracerProvider, ExporterBuildError> {
    let client = HttpClient::default();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender {
            client,
            runtime: Handle::current(),
        })
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    let mut resource = Resource::builder();
    if !named {
        resource = resource.with_service_name("adjourn");
    }
    Ok(SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build())
}

/// This program's own HTTP client, for the thread that sends batches: the requests are made on the
/// runtime, since that thread has none.
#[derive(Debug)]
struct Sender {
    client: HttpClient,
    runtime: Handle,
}

#[async_trait::async_trait]
impl opentelemetry_http::HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let asked = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MOST_ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        // All of it on the runtime, the timer too.
        let asked = async { tokio::time::timeout(LONGEST, asked).await };
        self.runtime.spawn(asked).await??
    }
}
