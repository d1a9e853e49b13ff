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
    /** Each unit opens its source once. */
    PLAIN("executor open .*\\.safetensors", List.of("--type", "Q4_K_M", "--unit-memory", "1m")),
    /** Each unit is a part. */
    CALIBRATED(
            "executor create .*/unit-.*",
            List.of(
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

    private static final Path MODEL = Path.of(DOCS_LM).toAbsolutePath();

    private final String unit;
    private final List<String> options;

    Recipe(String unit, List<String> options) {
        this.unit = unit;
        this.options = options;
    }

    /** What an executor does once for each unit that it begins, as a pattern for a point. */
    String unit() {
        return unit;
    }

    /** What {@code quantize} is given for an output. */
    List<String> arguments(Path output) {
        return arguments(MODEL.toString(), output.toString());
    }

    private List<String> arguments(String model, String output) {
        List<String> arguments = new ArrayList<>(List.of("--model", model, "--output", output));
        arguments.addAll(options);
        return arguments;
    }

    /**
     * What a cluster is given, with the source and all that is kept on the way going through a point. The output does not:
     * plain units are written in place.
     */
    List<String> arguments(Path output, Path work, HoldPoint point) throws IOException {
        return arguments(output.toString(), work, point);
    }

    /** The same with the output going through it too, which makes parts of all units. */
    List<String> argumentsForParts(Path output, Path work, HoldPoint point) throws IOException {
        return arguments(HoldPoint.name(output), work, point);
    }

    /** The same with an output anywhere. */
    List<String> arguments(String output, Path work, HoldPoint point) throws IOException {
        List<String> arguments = new ArrayList<>(point.options());
        arguments.addAll(List.of("--executor-memory", "1g", "--work-dir", HoldPoint.name(work)));
        arguments.addAll(arguments(HoldPoint.name(MODEL), output));
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
