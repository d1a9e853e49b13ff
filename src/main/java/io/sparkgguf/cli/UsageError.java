package io.sparkgguf.cli;

import io.sparkgguf.quant.mix.Spelling;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Says in one line why a command line was not understood, with the nearest known name where one was mistyped. */
final class UsageError {
    private UsageError() {}

    static String explain(ParameterException failure) {
        CommandLine command = failure.getCommandLine();
        String name = command.getCommandName();
        // What is missing may only be misspelt, so what was not understood is told first.
        List<String> unknown = failure instanceof UnmatchedArgumentException unmatched
                ? unmatched.getUnmatched()
                : command.getUnmatchedArguments();
        if (!unknown.isEmpty()) {
            return unknown(command, unknown.get(0));
        }
        String message = failure.getMessage();
        return message.startsWith("Cannot ")
                ? message
                : "Cannot run " + name + ": " + message.substring(0, 1).toLowerCase(Locale.ROOT) + message.substring(1);
    }

    private static String unknown(CommandLine command, String argument) {
        String name = command.getCommandName();
        if (argument.startsWith("-")) {
            String option = argument.contains("=") ? argument.substring(0, argument.indexOf('=')) : argument;
            List<String> known = new ArrayList<>();
            for (OptionSpec each : command.getCommandSpec().options()) {
                known.addAll(List.of(each.names()));
            }
            return "Cannot run " + name + ": unknown option " + option
                    + (option.startsWith("--") ? Spelling.suggestion(option, known) : "");
        }
        if (command.getSubcommands().isEmpty()) {
            return "Cannot run " + name + ": unexpected argument '" + argument + "'";
        }
        List<String> known = List.copyOf(command.getSubcommands().keySet());
        return "Cannot run '" + argument + "': unknown command" + Spelling.suggestion(argument, known) + " Known: "
                + String.join(", ", known);
    }
}
