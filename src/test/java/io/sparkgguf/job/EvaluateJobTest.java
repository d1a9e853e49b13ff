package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static io.sparkgguf.cli.Cli.quantize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.llamacpp.Divergence;
import io.sparkgguf.llamacpp.LlamaCpp;
import io.sparkgguf.llamacpp.Logits;
import io.sparkgguf.llamacpp.Perplexity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs-lm and files quantized from it, evaluated on text that it wrote, through the command line. */
class EvaluateJobTest {
    private static final String TEXT = DOCS_LM + "/samples-eval.txt";
    private static final int CONTEXT = 128;

    @TempDir
    static Path folder;

    private static Path f32;
    private static Path q3;

    @BeforeAll
    static void quantizeModels() {
        f32 = quantize(folder.resolve("F32.gguf"), DOCS_LM, "F32");
        q3 = quantize(folder.resolve("Q3_K_M.gguf"), DOCS_LM, "Q3_K_M");
    }

    private static JsonNode evaluate(String master, int chunks, Path... models) throws IOException {
        Path report = Files.createTempDirectory(folder, "report").resolve("report.json");
        List<String> line = new ArrayList<>(List.of("evaluate", "--model", DOCS_LM, "--text", TEXT));
        line.addAll(List.of("--context", "" + CONTEXT, "--chunks", "" + chunks, "--output", report.toString()));
        for (Path model : models) {
            line.addAll(List.of("--gguf", model.toString()));
        }
        Cli.Outcome outcome = Cli.runOn(master, line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        for (Path model : models) {
            assertTrue(outcome.out().contains(model.toString()), outcome.out());
        }
        return new ObjectMapper().readTree(report.toFile());
    }

    private static double figure(JsonNode report, int model, String name) {
        return report.get("models").get(model).get("comparison").get(name).asDouble();
    }

    @Test
    void theSameWeightsPredictTheSame() throws IOException {
        JsonNode report = evaluate("local[2]", 3, f32, q3);
        assertEquals(0, figure(report, 0, "kldLargest"));
        assertEquals(1, figure(report, 0, "sameTop"));
        assertEquals(
                report.get("base").get("perplexity").asDouble(),
                report.get("models").get(0).get("perplexity").asDouble());
        assertTrue(figure(report, 1, "kld") > 0.01, report.toString());
        assertEquals(3 * (CONTEXT / 2 - 1), report.get("text").get("scored").asInt());
    }

    @Test
    void figuresDoNotDependOnTheCluster() throws IOException {
        List<JsonNode> reports = new ArrayList<>();
        for (String master : List.of("local[1]", "local[2]")) {
            ObjectNode report = (ObjectNode) evaluate(master, 18, q3);
            report.remove(List.of("created", "stages", "tokensPerSecond"));
            reports.add(report);
        }
        assertEquals(reports.get(0), reports.get(1));
    }

    /**
     * llama.cpp rounds what it multiplies quantized weights with to eight bits, which adds a divergence of its own; so it
     * is asked about the very weights of the quantized file, as F32.
     */
    @Test
    void figuresAreThoseOfLlamaCpp() throws IOException {
        LlamaCpp.assumeAvailable();
        int chunkCount = 4;
        Path expanded = quantize(folder.resolve("expanded.gguf"), q3.toString(), "F32", "--allow-requantize");
        LlamaCpp.Tokens tokens = LlamaCpp.tokenize(f32, List.of(Files.readString(Path.of(TEXT))));
        int[][] chunks = Perplexity.chunks(tokens.ids().get(0), CONTEXT, tokens.bos(), chunkCount);
        List<Logits> logits = LlamaCpp.logits(List.of(f32, expanded), chunks, Perplexity.first(CONTEXT));
        try (Logits base = logits.get(0);
                Logits model = logits.get(1)) {
            JsonNode report = evaluate("local[2]", chunkCount, q3);
            assertEquals(
                    Perplexity.of(chunks, base),
                    report.get("base").get("perplexity").asDouble(),
                    1e-3);
            assertEquals(
                    Perplexity.of(chunks, model),
                    report.get("models").get(0).get("perplexity").asDouble(),
                    1e-3);
            List<double[]> scored = scored(chunks, base, model);
            double[] divergences =
                    scored.stream().mapToDouble(token -> token[0]).sorted().toArray();
            double mean = Arrays.stream(divergences).average().orElseThrow();
            assertEquals(mean, figure(report, 0, "kld"), 1e-3 * mean);
            int middle = divergences.length / 2;
            double median = 0.5 * (divergences[middle] + divergences[middle - 1]);
            assertEquals(0, divergences.length % 2);
            assertEquals(median, figure(report, 0, "kldMedian"), 1e-3 * median);
            double squares = scored.stream()
                    .mapToDouble(token -> token[1] * token[1])
                    .average()
                    .orElseThrow();
            assertEquals(Math.sqrt(squares), figure(report, 0, "rmsDeltaP"), 1e-3 * Math.sqrt(squares));
            double same =
                    scored.stream().mapToDouble(token -> token[2]).average().orElseThrow();
            assertEquals(same, figure(report, 0, "sameTop"), 1.01 / scored.size());
        }
    }

    /** Of each scored token: divergence, difference of its probability, and 1 when both find the same token likeliest. */
    private static List<double[]> scored(int[][] chunks, Logits base, Logits model) throws IOException {
        List<double[]> scored = new ArrayList<>();
        for (int chunk = 0; chunk < chunks.length; chunk++) {
            for (int position = base.first(); position < CONTEXT - 1; position++) {
                float[] p = base.row(chunk, position);
                float[] q = model.row(chunk, position);
                int next = chunks[chunk][position + 1];
                scored.add(new double[] {
                    Divergence.kl(p, q),
                    Math.exp(Divergence.logSoftmax(q)[next]) - Math.exp(Divergence.logSoftmax(p)[next]),
                    top(p) == top(q) ? 1 : 0
                });
            }
        }
        return scored;
    }

    private static int top(float[] logits) {
        int top = 0;
        for (int i = 1; i < logits.length; i++) {
            top = logits[i] > logits[top] ? i : top;
        }
        return top;
    }

    /** Evaluates two sequences quietly, with what the model may have been calibrated on. */
    private static Cli.Outcome compare(Path report, Path model, String text, String... calibration) {
        List<String> line = new ArrayList<>(List.of("evaluate", "-m", DOCS_LM, "-g", model.toString(), "-f", text));
        line.addAll(List.of("-c", "" + CONTEXT, "--chunks", "2", "--quiet", "-o", report.toString()));
        for (String file : calibration) {
            line.addAll(List.of("--calibration", file));
        }
        Cli.Outcome outcome = Cli.run(line.toArray(String[]::new));
        assertEquals(0, outcome.code(), outcome.err());
        return outcome;
    }

    private static void warns(Path report, Cli.Outcome outcome, String... warnings) throws IOException {
        List<String> told = new ArrayList<>();
        new ObjectMapper().readTree(report.toFile()).get("warnings").forEach(line -> told.add(line.asText()));
        assertEquals(List.of(warnings), told);
        List<String> printed = outcome.err()
                .lines()
                .filter(line -> line.startsWith("warning: "))
                .toList();
        assertEquals(Arrays.stream(warnings).map(line -> "warning: " + line).toList(), printed);
    }

    /** Only the window at the beginning of the second sequence is not found: its first token is replaced. */
    @Test
    void warnsOfTextThatIsInTheCalibrationText() throws IOException {
        Path report = folder.resolve("seen.json");
        int windows = 2 * (CONTEXT - 63);
        String other = DOCS_LM + "/samples-calibration.txt";
        warns(
                report,
                compare(report, q3, TEXT, other, TEXT),
                ("%d of %d windows of 64 tokens of the evaluation text occur in the calibration text: the figures flatter"
                                + " the candidates")
                        .formatted(windows - 1, windows));
        warns(report, compare(report, q3, TEXT, other));
    }

    @Test
    void findsAPassageWhereverItStands() throws IOException {
        Path report = folder.resolve("passage.json");
        String text = Files.readString(Path.of(TEXT));
        String around = Files.readString(Path.of(DOCS_LM, "samples-calibration.txt"));
        Path mixed = folder.resolve("mixed.txt");
        Files.writeString(mixed, around.substring(0, 1001) + text.substring(20, 420) + around.substring(1001));
        String warning = compare(report, q3, TEXT, mixed.toString())
                .err()
                .lines()
                .filter(line -> line.startsWith("warning: "))
                .findFirst()
                .orElseThrow();
        int found = Integer.parseInt(warning.split(" ")[1]);
        assertTrue(found > 10 && found < 2 * (CONTEXT - 63) - 1, warning);
    }

    @Test
    void warnsWhenAFileNamesTheTextItIsJudgedBy() throws IOException {
        Path model = quantize(
                folder.resolve("calibrated.gguf"),
                DOCS_LM,
                "Q4_0",
                "--method",
                "imatrix",
                "--calibration",
                DOCS_LM + "/samples-calibration.txt",
                "--calibration",
                TEXT,
                "--calibration-tokens",
                "512",
                "--sequence-length",
                "128");
        Path report = folder.resolve("named.json");
        warns(
                report,
                compare(report, model, TEXT),
                model
                        + " was calibrated on samples-eval.txt, as its metadata says: if that is this text, the figures flatter"
                        + " it");
        Path eval = Files.copy(Path.of(TEXT), folder.resolve("eval.txt"));
        warns(report, compare(report, model, eval.toString()));
    }

    @Test
    void aGgufFileIsABaseToo() throws IOException {
        Cli.Outcome outcome = Cli.run(
                "evaluate", "-m", f32.toString(), "--tokenizer", DOCS_LM, "-f", TEXT, "-c", "64", "--chunks", "2");
        assertEquals(0, outcome.code(), outcome.err());
        assertTrue(outcome.out().contains("62 tokens scored in 2 sequences of 64"), outcome.out());
    }
}
