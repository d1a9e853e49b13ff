package io.sparkgguf.llamacpp;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * llama.cpp as the npm package node-llama-cpp brings it, prebuilt for x86-64 Linux. Every call starts a node process
 * of one thread, which ends with the call.
 *
 * <p>To have it: {@code npm ci --prefix src/test/node --omit=optional --ignore-scripts}. Where it is absent, tests call
 * {@link #assumeAvailable()} and are skipped with a line that says so, unless {@code -Dllamacpp.required=true}.
 */
public final class LlamaCpp {
    private static final Path SCRIPTS = Path.of("src", "test", "node");
    private static final String INSTALL = "npm ci --prefix src/test/node --omit=optional --ignore-scripts";
    private static final long TIMEOUT_MINUTES = 10;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Optional<String> ABSENT = whyAbsent();

    private LlamaCpp() {}

    /** Whether a model can be run here. */
    public static boolean available() {
        return ABSENT.isEmpty();
    }

    /** Skips the calling test, visibly, where llama.cpp is absent; fails it when llama.cpp is required. */
    public static void assumeAvailable() {
        if (ABSENT.isPresent()) {
            String line = "no llama.cpp: " + ABSENT.get() + "; to have it: " + INSTALL;
            if (Boolean.getBoolean("llamacpp.required")) {
                throw new AssertionError("llamacpp.required, but " + line);
            }
            System.out.println("SKIPPED, " + line);
            Assumptions.abort(line);
        }
    }

    private static Optional<String> whyAbsent() {
        for (String module : List.of("node-llama-cpp", "@node-llama-cpp/linux-x64")) {
            Path installed = SCRIPTS.resolve("node_modules").resolve(module).resolve("package.json");
            if (!Files.exists(installed)) {
                return Optional.of(installed + " does not exist");
            }
        }
        try {
            Process node = new ProcessBuilder("node", "--version")
                    .redirectErrorStream(true)
                    .start();
            String version = new String(node.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return node.waitFor() == 0 ? Optional.empty() : Optional.of("node --version says " + version);
        } catch (IOException e) {
            return Optional.of(e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.of("interrupted");
        }
    }

    /**
     * The logits of the next token at the positions from {@code first} on, by each of several models of one process.
     * Each sequence is evaluated from an empty context as it stands, no token is added. Key-value cache in F32, no
     * fused attention. On an F32 file they agree with transformers to about 1e-5; a BF16 file rounds activations to
     * bfloat16 too, which makes it 0.03.
     *
     * @param sequences [sequence][position] token ids, all of one length
     * @return the logits by each model, in the order of {@code models}; to be closed
     * @throws IOException when llama.cpp does not load a file, with its name and llama.cpp's own words
     */
    public static List<Logits> logits(List<Path> models, int[][] sequences, int first) throws IOException {
        List<Path> outs = new ArrayList<>();
        List<Logits> logits = new ArrayList<>();
        try {
            for (int i = 0; i < models.size(); i++) {
                outs.add(Files.createTempFile("logits", ".f32"));
            }
            Path question = writeJson(Map.of(
                    "models",
                    models.stream().map(Path::toString).toList(),
                    "outs",
                    outs.stream().map(Path::toString).toList(),
                    "sequences",
                    sequences,
                    "first",
                    first));
            try {
                run("logits.mjs", question.toString());
            } finally {
                Files.delete(question);
            }
            for (Path out : outs) {
                logits.add(new Logits(out, sequences.length, first, sequences[0].length));
            }
            return logits;
        } catch (IOException | RuntimeException e) {
            for (Logits opened : logits) {
                opened.close();
            }
            for (Path out : outs) {
                Files.deleteIfExists(out);
            }
            throw e;
        }
    }

    /** The tokens of these texts, special tokens' texts included, without a BOS token in front. */
    public static Tokens tokenize(Path model, List<String> texts) throws IOException {
        JsonNode answer = ask("tokenize.mjs", model, texts);
        List<int[]> ids = new ArrayList<>();
        for (JsonNode row : answer.get("ids")) {
            ids.add(JSON.convertValue(row, int[].class));
        }
        return new Tokens(
                ids,
                answer.get("bos").asInt(-1),
                answer.get("eos").asInt(-1),
                answer.get("addBos").asBoolean());
    }

    /** What follows this text, always by the likeliest token, {@code tokens} tokens at most. */
    public static String generate(Path model, String prompt, int tokens) throws IOException {
        return ask("generate.mjs", model, Map.of("prompt", prompt, "tokens", tokens))
                .get("text")
                .asText();
    }

    private static JsonNode ask(String script, Path model, Object question) throws IOException {
        Path in = writeJson(question);
        Path out = Files.createTempFile("answer", ".json");
        try {
            run(script, model.toString(), in.toString(), out.toString());
            return JSON.readTree(out.toFile());
        } finally {
            Files.delete(in);
            Files.delete(out);
        }
    }

    private static Path writeJson(Object value) throws IOException {
        Path file = Files.createTempFile("question", ".json");
        JSON.writeValue(file.toFile(), value);
        return file;
    }

    private static void run(String script, String... arguments) throws IOException {
        List<String> command =
                new ArrayList<>(List.of("node", SCRIPTS.resolve(script).toString()));
        command.addAll(List.of(arguments));
        Path log = Files.createTempFile("llamacpp", ".log");
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            process.getOutputStream().close();
            boolean ended = process.waitFor(TIMEOUT_MINUTES, TimeUnit.MINUTES);
            if (!ended) {
                process.destroyForcibly();
            }
            if (!ended || process.exitValue() != 0) {
                String ending = ended ? "exit code " + process.exitValue() : TIMEOUT_MINUTES + " minutes passed";
                throw new IOException("Cannot run " + script + ": " + ending + "\n"
                        + Files.readString(log).strip());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("Cannot run " + script + ": interrupted", e);
        } finally {
            Files.delete(log);
        }
    }

    /**
     * @param ids the tokens of each text
     * @param bos id of the token that begins a sequence, -1 when there is none
     * @param eos id of the token that ends a sequence, -1 when there is none
     * @param addBos whether llama.cpp puts the BOS token in front of a prompt
     */
    public record Tokens(List<int[]> ids, int bos, int eos, boolean addBos) {}
}
