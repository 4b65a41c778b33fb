//! `adjourn doctor`: what is wrong, why, and what to do about it.

use clap::Args;
use serde_json::json;

use super::args::Format;
use super::error::CliError;
use super::output::{answer, print_one, say};
use super::situation::Situation;
use super::{engine_room, exit};
use crate::doctor::{Finding, Report};
use crate::service::ServiceError;
use crate::service::words::one_line;

/// Find what is wrong with the database, the tasks and their pods, and explain it
///
/// Ends with 0 when nothing is wrong, or everything could be mended, and with 1 otherwise. A
/// cluster that cannot be reached is told on stderr; the database is looked at all the same.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Mend what can be mended without a risk
    #[arg(long)]
    fix: bool,
}

pub(super) async fn run(args: DoctorArgs, situation: &mut Situation) -> Result<u8, CliError> {
    let report = match situation.existing_service().await {
        Ok(Some(service)) => {
            super::local::use_if_asked(situation).await?;
            let doctor = engine_room::doctor(situation, &service);
            let mut report = doctor.examine().await?;
            if args.fix {
                doctor.mend(&mut report).await;
            }
            report
        }
        Ok(None) => Report {
            notes: vec!["there is no database yet".to_owned()],
            ..Report::default()
        },
        Err(error) => unopened(error)?,
    };
    tell(&report, situation.format()).await?;
    Ok(if report.is_clean() {
        exit::SUCCESS
    } else {
        exit::FAILED
    })
}

/// A database that cannot be opened is a finding where that says something about the database.
fn unopened(error: CliError) -> Result<Report, CliError> {
    if let CliError::Service(ServiceError::Store(store)) = &error
        && let Some(finding) = Finding::of_store(store)
    {
        return Ok(Report {
            findings: vec![finding],
            unchecked: vec!["the tasks and their pods: the database cannot be opened".to_owned()],
            ..Report::default()
        });
    }
    Err(error)
}

async fn tell(report: &Report, format: Format) -> Result<(), CliError> {
    let shown = json!({
        "clean": report.is_clean(),
        "findings": report.findings,
        "unchecked": report.unchecked,
        "notes": report.notes,
    });
    if print_one(format, &shown).await? {
        return Ok(());
    }
    if format == Format::Name {
        let kinds: String = report
            .findings
            .iter()
            .map(|finding| format!("{}\n", finding.kind.as_str()))
            .collect();
        return answer(&kinds).await;
    }
    for what in &report.unchecked {
        say(format!("not checked: {}", one_line(what)));
    }
    for note in &report.notes {
        say(format!("note: {}", one_line(note)));
    }
    let text: String = report.findings.iter().map(in_words).collect();
    answer(&text).await?;
    if report.findings.is_empty() {
        say("nothing is wrong");
    }
    Ok(())
}

fn in_words(finding: &Finding) -> String {
    let next = if finding.mended {
        "mended"
    } else {
        &finding.advice
    };
    format!(
        "{}: {}\n    {}\n",
        finding.kind.as_str(),
        one_line(&finding.what),
        one_line(next)
    )
}
