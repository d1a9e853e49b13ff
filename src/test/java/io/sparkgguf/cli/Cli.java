package io.sparkgguf.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;

/** Runs command lines in this process, as a user would, and keeps what they print. */
public final class Cli {
    /** docs-lm, the small natural llama of this repository. */
    public static final String DOCS_LM = "src/test/resources/models/docs-lm";

    private Cli() {}

    /** What a command line came to. */
    public record Outcome(int code, String out, String err) {
        /** The one line of a refusal, from {@code Cannot} on. */
        public String reason() {
            List<String> lines = err.lines()
                    .filter(line -> line.startsWith("spark-gguf: Cannot"))
                    .toList();
            return lines.size() == 1 ? lines.get(0).substring("spark-gguf: ".length()) : "not one reason in: " + err;
        }
    }

    /** Runs {@code spark-gguf} on two threads. */
    public static Outcome run(String... arguments) {
        return runOn("local[2]", arguments);
    }

    /** Runs {@code spark-gguf} on a master. */
    public static synchronized Outcome runOn(String master, String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        System.setProperty("spark.master", master);
        System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
        int code;
        try {
            code = Main.run(arguments);
        } finally {
            System.setOut(out);
            System.setErr(err);
            System.clearProperty("spark.master");
        }
        return new Outcome(code, outBytes.toString(StandardCharsets.UTF_8), errBytes.toString(StandardCharsets.UTF_8));
    }

    /** Quantizes on two threads, which must succeed, and returns {@code output}. */
    public static Path quantize(Path output, String model, String type, String... more) {
        List<String> command =
                new ArrayList<>(List.of("quantize", "--model", model, "--output", output.toString(), "--type", type));
        command.addAll(List.of(more));
        Outcome outcome = run(command.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return output;
    }

    /** Names of all that lies in a folder, in order. */
    public static TreeSet<String> names(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            TreeSet<String> names = new TreeSet<>();
            entries.forEach(entry -> names.add(entry.getFileName().toString()));
            return names;
        }
    }

    public static String sha256(Path file) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
