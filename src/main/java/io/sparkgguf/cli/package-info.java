/**
 * The command line: sub-commands, options, what people see, exit codes.
 *
 * <p>The only place that prints, exits or reads the environment. Start at {@link io.sparkgguf.cli.Main}.
 */
package io.sparkgguf.cli;
