//! What the figures were measured on.

use serde_json::{Value, json};

pub fn facts() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(':'))
        .map(|(_, name)| name.trim().to_owned());
    let memory_kib: Option<u64> = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu_model": cpu_model,
        "memory_mib": memory_kib.map(|kib| kib / 1024),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").split_whitespace().next(),
        "sync_ms": sync_ms(),
    })
}

/// How long the disk takes to make 4 KiB durable: the median of twenty tries.
fn sync_ms() -> f64 {
    use std::io::Write;
    let mut file = tempfile::tempfile().unwrap();
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            file.write_all(&[0; 4096]).unwrap();
            let begun = std::time::Instant::now();
            file.sync_data().unwrap();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
