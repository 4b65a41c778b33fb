//! `adjourn token`: who may use the HTTP API.

use clap::{Args, Subcommand};
use serde_json::json;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::moments::moment;
use super::output::{answer, print_list, say};
use super::situation::Situation;
use super::table::layout;

/// Make, list and revoke the tokens of the HTTP API
///
/// Without any, the API answers this machine alone. With one, everybody needs one.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Make a token and print it, this once: only its hash is kept
    Create {
        /// What it is called
        name: String,
        /// It may look, and change nothing
        #[arg(long)]
        read_only: bool,
    },
    /// List the tokens
    List,
    /// Take a token back
    Revoke {
        /// What it is called
        name: String,
    },
}

pub(super) async fn run(args: TokenArgs, situation: &Situation) -> Result<u8, CliError> {
    let file = super::api::tokens(situation)?;
    match args.order {
        Order::Create { name, read_only } => {
            let secret = file.create(&name, read_only, situation.clock.now())?;
            answer(&format!("{secret}\n")).await?;
            say(format!(
                "token {name} is kept as a hash in {}: note it down, it is not shown again",
                file.path().display()
            ));
        }
        Order::Revoke { name } => {
            file.revoke(&name)?;
            say(format!("token {name} is revoked"));
        }
        Order::List => {
            let tokens = file.read()?;
            let shown: Vec<_> = tokens
                .iter()
                .map(|token| {
                    json!({
                        "name": token.name,
                        "read_only": token.read_only,
                        "created_at": token.created_at,
                    })
                })
                .collect();
            let format = situation.format();
            if print_list(format, &shown).await? {
                return Ok(exit::SUCCESS);
            }
            if format == Format::Name {
                let names: String = tokens
                    .iter()
                    .map(|token| token.name.clone() + "\n")
                    .collect();
                answer(&names).await?;
                return Ok(exit::SUCCESS);
            }
            if tokens.is_empty() {
                say("there are no tokens");
                return Ok(exit::SUCCESS);
            }
            let rows = tokens.iter().map(|token| {
                let may = if token.read_only {
                    "look"
                } else {
                    "everything"
                };
                vec![token.name.clone(), may.to_owned(), moment(token.created_at)]
            });
            answer(&layout(["NAME", "MAY", "CREATED"], rows)).await?;
        }
    }
    Ok(exit::SUCCESS)
}
