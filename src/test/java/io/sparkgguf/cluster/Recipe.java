package io.sparkgguf.cluster;

import static io.sparkgguf.cli.Cli.DOCS_LM;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A quantization of docs-lm that takes long enough, and is cut fine enough, to be killed in the middle of things. */
enum Recipe {
    PLAIN(List.of("--type", "Q4_K_M", "--unit-memory", "1m")),
    CALIBRATED(List.of(
            "--type",
            "Q3_K_M",
            "--calibration",
            Path.of(DOCS_LM, "samples-calibration.txt").toAbsolutePath().toString(),
            "--calibration-tokens",
            "1024",
            "--sequence-length",
            "256",
            "--shard-tokens",
            "512"));

    private final List<String> options;

    Recipe(List<String> options) {
        this.options = options;
    }

    /** What {@code quantize} is given for an output. */
    List<String> arguments(Path output) {
        List<String> arguments = new ArrayList<>(
                List.of("--model", Path.of(DOCS_LM).toAbsolutePath().toString(), "--output", output.toString()));
        arguments.addAll(options);
        return arguments;
    }

    /** What a cluster is given, with all that is kept on the way going through a point. */
    List<String> arguments(Path output, Path work, HoldPoint point) throws IOException {
        List<String> arguments = new ArrayList<>(point.options());
        arguments.addAll(List.of("--executor-memory", "1g", "--work-dir", HoldPoint.work(work)));
        arguments.addAll(arguments(output));
        return arguments;
    }

    /** The digest of what one thread makes, undisturbed. */
    String undisturbed(Path folder) throws IOException {
        Path output = Files.createDirectories(folder).resolve("undisturbed-" + name() + ".gguf");
        if (!Files.exists(output)) {
            List<String> command = new ArrayList<>(List.of("quantize"));
            command.addAll(arguments(output));
            Outcome outcome = Cli.runOn("local[1]", command.toArray(String[]::new));
            if (outcome.code() != 0) {
                throw new IOException("The undisturbed run fails: " + outcome.err());
            }
        }
        return Cli.sha256(output);
    }
}
