//! Columns over time, stacked, as a drawing.
//!
//! Along the drawing all is in hundredths of its width, so that it fits any page while its letters
//! keep their size.

use serde::Serialize;

use super::render::told;
use crate::clock::Timestamp;

/// The height of the columns, in pixels, and where they begin.
const HEIGHT: f64 = 120.0;
const TOP: f64 = 16.0;

/// A drawing with its title and its figures.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What exactly is drawn.
    pub(super) note: String,
    series: Vec<Series>,
    columns: Vec<Column>,
    /// What the line above the columns stands for.
    top: String,
    first: String,
    last: String,
    /// What stands in the last column that has anything.
    words: String,
    empty: bool,
    /// What stands in the place of columns where there is none.
    nothing: &'static str,
}

/// What one colour stands for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Series {
    /// The class that gives the colour.
    pub(super) class: &'static str,
    pub(super) name: &'static str,
}

#[derive(Debug, Serialize)]
struct Column {
    x: String,
    width: String,
    parts: Vec<Part>,
    title: String,
    at: String,
    figures: Vec<String>,
    empty: bool,
}

#[derive(Debug, Serialize)]
struct Part {
    y: String,
    height: String,
    class: &'static str,
}

/// How figures are told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Count,
    Milliseconds,
    Percent,
}

impl Unit {
    fn told(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Milliseconds => length(value),
            Self::Percent => format!("{value:.1} %"),
        }
    }
}

impl Unit {
    /// A figure that is not below `value` and reads well.
    fn round_up(self, value: f64) -> f64 {
        let step = match self {
            Self::Milliseconds if value > 7200e3 => 3600e3,
            Self::Milliseconds if value > 120e3 => 60e3,
            Self::Count | Self::Milliseconds | Self::Percent => 1.0,
        };
        round_up(value / step) * step
    }
}

/// A length of so many milliseconds, in a unit that leaves few digits.
fn length(milliseconds: f64) -> String {
    match milliseconds {
        0.0..10.0 if milliseconds.fract() > 0.0 => format!("{milliseconds:.1} ms"),
        ..1000.0 => format!("{milliseconds:.0} ms"),
        ..120e3 => format!("{:.1} s", milliseconds / 1000.0),
        ..7200e3 => format!("{:.0} min", milliseconds / 60e3),
        _ => format!("{:.1} h", milliseconds / 3600e3),
    }
}

/// What a chart says of itself.
pub(super) struct Words {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) note: String,
    pub(super) unit: Unit,
    /// What is said where there is nothing to be drawn.
    pub(super) nothing: &'static str,
}

/// What lies along the drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// When the first slot begins.
    pub(super) since: Timestamp,
    /// How long each slot is, in milliseconds.
    pub(super) slot_ms: i64,
}

/// The drawing of `values`, for each slot one for each of `series`, stacked from the bottom.
pub(super) fn draw(
    words: Words,
    axis: Axis,
    series: Vec<Series>,
    values: impl IntoIterator<Item = Vec<f64>>,
) -> Chart {
    let values: Vec<Vec<f64>> = values.into_iter().collect();
    let unit = words.unit;
    let highest = values
        .iter()
        .map(|slot| slot.iter().sum::<f64>())
        .fold(0.0, f64::max);
    let top = unit.round_up(highest);
    #[allow(clippy::cast_precision_loss, reason = "a chart has few columns")]
    let width = 100.0 / values.len().max(1) as f64;
    let mut columns = Vec::with_capacity(values.len());
    let mut x = 0.0;
    let mut from = axis.since;
    for slot in &values {
        let mut parts = Vec::new();
        let mut bottom = TOP + HEIGHT;
        for (value, series) in slot.iter().zip(&series) {
            // What is there can be seen, however little it is.
            let height = if *value > 0.0 {
                (value / top * HEIGHT).max(1.0)
            } else {
                0.0
            };
            bottom -= height;
            if height > 0.0 {
                parts.push(Part {
                    y: format!("{bottom:.1}"),
                    height: format!("{height:.1}"),
                    class: series.class,
                });
            }
        }
        let figures: Vec<String> = slot.iter().map(|value| unit.told(*value)).collect();
        let told_of: Vec<String> = series
            .iter()
            .zip(&figures)
            .zip(slot)
            .filter(|(_, value)| **value > 0.0)
            .map(|((series, figure), _)| format!("{} {figure}", series.name))
            .collect();
        columns.push(Column {
            x: format!("{x:.3}%"),
            width: format!("{:.3}%", width * 0.86),
            title: format!("{}: {}", told(from), told_of.join(", ")),
            at: told(from),
            empty: parts.is_empty(),
            parts,
            figures,
        });
        x += width;
        from += chrono::Duration::milliseconds(axis.slot_ms);
    }
    let last_words = columns.iter().rev().find(|column| !column.empty);
    Chart {
        id: words.id,
        title: words.title,
        note: words.note,
        series,
        top: unit.told(top),
        first: axis.since.format("%d %b %H:%M").to_string(),
        last: "now".to_owned(),
        words: last_words.map_or_else(|| words.nothing.to_owned(), |column| column.title.clone()),
        empty: highest <= 0.0,
        nothing: words.nothing,
        columns,
    }
}

/// The next of 1, 2, 5, 10, 20, ...
fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if value <= step * factor {
                return step * factor;
            }
        }
        step *= 10.0;
        if step > 1e15 {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_on_each_other_and_end_below_a_round_figure() {
        let axis = Axis {
            since: Timestamp::UNIX_EPOCH,
            slot_ms: 10_000,
        };
        let words = Words {
            id: "c",
            title: "Tasks",
            note: String::new(),
            unit: Unit::Count,
            nothing: "none",
        };
        let series = ["a", "b"].map(|name| Series { class: name, name });
        let chart = draw(
            words,
            axis,
            series.to_vec(),
            [vec![1.0, 3.0], vec![0.0, 0.0]],
        );
        assert_eq!(chart.top, "5");
        let column = &chart.columns[0];
        let places: Vec<_> = column
            .parts
            .iter()
            .map(|part| (part.y.as_str(), part.height.as_str()))
            .collect();
        assert_eq!(places, [("112.0", "24.0"), ("40.0", "72.0")]);
        assert!(column.title.ends_with("a 1, b 3"), "{}", column.title);
        assert!(chart.columns[1].empty);
        assert_eq!(chart.columns[1].x, "50.000%");
    }

    #[test]
    fn lengths_are_told_in_a_unit_that_leaves_few_digits() {
        for (milliseconds, told) in [
            (0.0, "0 ms"),
            (0.42, "0.4 ms"),
            (5.0, "5 ms"),
            (312.4, "312 ms"),
            (1500.0, "1.5 s"),
            (180_000.0, "3 min"),
            (9_000_000.0, "2.5 h"),
        ] {
            assert_eq!(Unit::Milliseconds.told(milliseconds), told);
        }
    }

    #[test]
    fn figures_are_rounded_up_to_what_reads_well() {
        for (value, top) in [
            (0.0, 1.0),
            (3.0, 5.0),
            (5.0, 5.0),
            (70.0, 100.0),
            (1200.0, 2000.0),
        ] {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}");
        }
        let minutes = Unit::Milliseconds.round_up(50.0 * 60e3);
        assert_eq!(Unit::Milliseconds.told(minutes), "50 min");
    }
}
