//! `llmctl man`.

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Prints the manual page, the commands within it.
pub(crate) fn run(out: &mut Output) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    render(&mut page)?;
    out.out.write_all(&page)?;
    Ok(Exit::Ok)
}

fn render(page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = Args::command();
    command.build();
    Man::new(command.clone()).render(page)?;
    let mut open: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    open.reverse();
    while let Some(command) = open.pop() {
        if command.get_name() == "help" {
            continue;
        }
        let within = command.get_subcommands().filter(|command| command.get_name() != "help");
        let before = open.len();
        open.extend(within.cloned());
        open.get_mut(before..).unwrap_or_default().reverse();
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        let man = Man::new(command);
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::output;

    #[test]
    fn every_command_and_exit_code_is_in_the_page() {
        let (mut output, out, _) = output(false);
        assert_eq!(run(&mut output).unwrap(), Exit::Ok);
        let page = out.text();
        for word in [".TH", "LLMCTL CHAT", "LLMCTL CONFIG CHECK", "\\-\\-tool\\-schema", "Exit codes"] {
            assert!(page.contains(word), "no {word} in {page}");
        }
    }
}
