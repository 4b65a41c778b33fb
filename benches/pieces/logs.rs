//! Cutting a log into lines.

use adjourn::pod::logs::LineSplitter;
use divan::counter::BytesCount;

const LINES: usize = 10_000;

/// As the kubelet sends it: each line with its stamp.
fn stream() -> Vec<u8> {
    (0..LINES)
        .flat_map(|number| {
            format!(
                "2026-11-24T08:53:24.{number:09}Z INFO  report.worker: row {number} of the table was read, 17 columns\n"
            )
            .into_bytes()
        })
        .collect()
}

#[divan::bench]
fn split_log_lines(bencher: divan::Bencher<'_, '_>) {
    let stream = stream();
    bencher.counter(BytesCount::new(stream.len())).bench(|| {
        let mut splitter = LineSplitter::new(256 << 10);
        let mut lines = 0;
        for piece in stream.chunks(16 << 10) {
            let cut = splitter.push(piece, |line| {
                divan::black_box(line);
                lines += 1;
            });
            assert!(cut.is_ok());
        }
        lines
    });
}
