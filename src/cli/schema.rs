//! `adjourn schema`: what a task file may hold.

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::output::{answer, print_one};
use crate::task::file::json_schema;

pub(super) async fn run(format: Format) -> Result<u8, CliError> {
    let schema = json_schema();
    if !print_one(format, &schema).await? {
        answer(&format!("{schema:#}\n")).await?;
    }
    Ok(exit::SUCCESS)
}
