//! What the daemon's metrics tell of its requests to Kubernetes API servers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::is_api_failure;

/// The metric's name with what is before its labels.
const NAME: &str = "adjourn_kubernetes_requests_total{";

/// Requests since the daemon began.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Requests {
    all: u64,
    /// How many had no answer, or one that says that the server could not.
    failed: u64,
    /// Of all, in hundredths.
    rate: String,
    by_code: BTreeMap<u16, u64>,
}

impl Requests {
    /// What stands in the metrics' text.
    pub(super) fn read(metrics: &str) -> Self {
        let mut requests = Self::default();
        for line in metrics.lines().filter_map(|line| line.strip_prefix(NAME)) {
            let Some((labels, count)) = line.rsplit_once('}') else {
                continue;
            };
            let code = labels
                .split(',')
                .find_map(|label| label.strip_prefix("code=\"")?.strip_suffix('"'))
                .and_then(|code| code.parse().ok());
            if let (Some(code), Ok(count)) = (code, count.trim().parse::<u64>()) {
                *requests.by_code.entry(code).or_default() += count;
            }
        }
        requests.all = requests.by_code.values().sum();
        let counts = requests.by_code.iter();
        requests.failed = counts
            .filter(|(code, _)| is_api_failure(**code))
            .map(|(_, count)| count)
            .sum();
        // In thousandths, so that no fraction is needed until it is told.
        let rate = requests.failed * 1000 / requests.all.max(1);
        requests.rate = format!("{}.{} %", rate / 10, rate % 10);
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_added_up_by_their_codes() {
        let text = "# TYPE adjourn_kubernetes_requests counter\n\
                    adjourn_kubernetes_requests_total{verb=\"get\",code=\"200\"} 90\n\
                    adjourn_kubernetes_requests_total{verb=\"create\",code=\"200\"} 5\n\
                    adjourn_kubernetes_requests_total{verb=\"get\",code=\"404\"} 2\n\
                    adjourn_kubernetes_requests_total{verb=\"get\",code=\"503\"} 2\n\
                    adjourn_kubernetes_requests_total{verb=\"get\",code=\"0\"} 1\n\
                    adjourn_http_requests_total{route=\"/\",code=\"500\"} 7\n# EOF\n";
        let requests = Requests::read(text);
        assert_eq!((requests.all, requests.failed), (100, 3));
        assert_eq!(requests.rate, "3.0 %");
        assert_eq!(requests.by_code[&200], 95);
    }
}
