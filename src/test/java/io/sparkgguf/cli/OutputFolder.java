package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A folder with an older file under the name that runs are to write. A refused run must tell its reason in one line and
 * leave the folder as it was; the next sound run must work there.
 */
final class OutputFolder {
    private static final String NAME = "model.gguf";
    private static final String OLDER = "written by an earlier run";

    private final Path folder;
    private final String scheme;

    OutputFolder(Path folder) throws IOException {
        this(folder, "");
    }

    /** @param scheme by which runs are told of their output, for a file system of Hadoop's that is this folder */
    OutputFolder(Path folder, String scheme) throws IOException {
        this.folder = Files.createDirectories(folder);
        this.scheme = scheme;
        Files.writeString(output(), OLDER);
    }

    /** The file that runs are to write. */
    Path output() {
        return folder.resolve(NAME);
    }

    /** What runs are told to write. */
    String target() {
        return scheme.isEmpty() ? output().toString() : scheme + "://" + output();
    }

    /** {@code quantize --type Q4_K_M} into this folder; further arguments may set another type. */
    Outcome quantize(Path model, String... arguments) {
        List<String> line = new ArrayList<>(List.of("quantize", "--model", model.toString()));
        line.addAll(List.of("--output", target()));
        line.addAll(List.of(arguments));
        if (!line.contains("--type")) {
            line.addAll(List.of("--type", "Q4_K_M"));
        }
        return Cli.run(line.toArray(String[]::new));
    }

    /**
     * The run is refused for {@code reason} and exit code 3.
     *
     * @param reason exact, with {@code {model}} for the model's name and {@code #} for any number
     */
    void refuses(String reason, Path model, String... arguments) throws IOException {
        requireFailure(Main.REFUSED, reason.replace("{model}", model.toString()), quantize(model, arguments));
    }

    /** The same, for reasons that go on with a long list; {@code start} is how they begin. */
    void refusesFrom(String start, Path model, String... arguments) throws IOException {
        Outcome outcome = quantize(model, arguments);
        assertTrue(outcome.reason().startsWith(start), outcome.err());
        requireFailure(Main.REFUSED, outcome.reason(), outcome);
    }

    /** A command line failed for this very reason, said nothing else, and left this folder as it was. */
    void requireFailure(int code, String reason, Outcome outcome) throws IOException {
        requireOneReason(code, reason, outcome);
        requireUntouched();
    }

    /** The same of a run that can be gone on with: its work folder stays. */
    void requireResumable(String reason, Outcome outcome) throws IOException {
        requireOneReason(Main.FAILED, reason, outcome);
        assertTrue(outcome.err().contains("spark-gguf: what is done stays in "), outcome.err());
        requireOlderFile();
    }

    private void requireOneReason(int code, String reason, Outcome outcome) {
        if (!pattern(reason).matcher(outcome.reason()).matches()) {
            assertEquals(reason, outcome.reason());
        }
        assertEquals(code, outcome.code(), outcome.err());
        assertEquals("", outcome.out());
        List<String> lines = outcome.err().lines().toList();
        assertEquals("spark-gguf: " + outcome.reason(), lines.get(lines.size() - 1));
        for (String line : lines.subList(0, lines.size() - 1)) {
            // what a run says before it fails: what it found, how far it got; never a log line or a stack trace
            assertTrue(
                    line.startsWith("spark-gguf: ") && line.contains(" work units, ")
                            || line.contains(" ETA ")
                            || line.startsWith("spark-gguf: what is done stays in ")
                            || line.startsWith("spark-gguf: going on from what an earlier run left in "),
                    outcome.err());
        }
    }

    private static Pattern pattern(String reason) {
        return Pattern.compile(
                Arrays.stream(reason.split("#", -1)).map(Pattern::quote).collect(Collectors.joining("-?\\d+")));
    }

    /** The older file is as it was, and nothing lies beside it. */
    void requireUntouched() throws IOException {
        assertEquals(Set.of(NAME), Cli.names(folder));
        requireOlderFile();
    }

    /** The older file is as it was, and beside it is at most what an unfinished run wrote: its work folder and the file. */
    void requireResumable() throws IOException {
        Set<String> names = Cli.names(folder);
        if (names.remove(NAME + ".work")) {
            names.remove(NAME + ".unfinished");
        }
        assertEquals(Set.of(NAME), names);
        requireOlderFile();
    }

    private void requireOlderFile() throws IOException {
        assertEquals(OLDER, Files.readString(output()));
    }

    /** A sound model is quantized into this folder, whatever was refused before; returns what the run printed. */
    Outcome accepts(Path model, String... arguments) throws IOException {
        Outcome outcome = quantize(model, arguments);
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(Set.of(NAME, NAME + ".report.json"), Cli.names(folder));
        assertTrue(Files.size(output()) > OLDER.length());
        Outcome validated = Cli.run("validate", output().toString());
        assertEquals(0, validated.code(), validated.out() + validated.err());
        return outcome;
    }
}
