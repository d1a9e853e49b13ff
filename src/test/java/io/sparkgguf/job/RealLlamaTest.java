package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static io.sparkgguf.cli.Cli.quantize;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.node.TextNode;
import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.llamacpp.Divergence;
import io.sparkgguf.llamacpp.LlamaCpp;
import io.sparkgguf.llamacpp.Logits;
import io.sparkgguf.llamacpp.Perplexity;
import io.sparkgguf.quant.mix.FileType;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** docs-lm in every type that can be written, run by a real llama.cpp: it loads, tokenizes, predicts and writes text. */
class RealLlamaTest {
    private static final int CONTEXT = 128;
    private static final int CHUNKS = 2;

    /** Types of tensors that are no types of files, and their bits per weight: all matrices of the layers get them. */
    private static final Map<String, Double> ONE_TYPE = Map.of("NVFP4", 4.5, "MXFP4", 4.25);

    /** What rounds weights to signs or thirds works on models that were trained so: docs-lm was not. */
    private static final Set<String> FOR_TRAINED_SO = Set.of("TQ1_0", "TQ2_0", "Q1_0", "Q2_0");

    private static final String TRAINED = " trained";

    private static final Set<String> BRAIN_FLOATS = Set.of("BF16", "COPY");

    @TempDir
    static Path folder;

    private static LlamaCpp.Tokens tokens;
    private static int[][] chunks;
    private static final Map<String, Logits> LOGITS = new LinkedHashMap<>();

    /** All files, and a process of llama.cpp for their tokens, another for their logits. */
    @BeforeAll
    static void runAll() throws IOException {
        LlamaCpp.assumeAvailable();
        Path f32 = quantize(folder.resolve("F32.gguf"), DOCS_LM, "F32");
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("F32", f32);
        String imatrix =
                Imatrices.write(folder.resolve("imatrix.gguf"), header(f32)).toString();
        for (FileType type : types().filter(type -> type != FileType.F32).toList()) {
            String[] importance = type == FileType.Q2_K_S ? new String[] {"--imatrix", imatrix} : new String[0];
            files.put(type.name(), quantize(folder.resolve(type + ".gguf"), DOCS_LM, type.name(), importance));
        }
        for (String type : ONE_TYPE.keySet()) {
            files.put(type, quantize(folder.resolve(type + ".gguf"), DOCS_LM, "Q8_0", "--tensor-type", "blk=" + type));
        }
        for (String type : List.of("TQ2_0", "Q1_0")) {
            files.put(type + TRAINED, quantize(folder.resolve(type + "-trained.gguf"), DOCS_LM, type, training()));
        }
        quantize(folder.resolve("split.gguf"), DOCS_LM, "Q4_K_M", "--split-max-size", "1M");
        try (Stream<Path> all = Files.list(folder)) {
            files.put(
                    "split",
                    all.filter(file -> file.getFileName().toString().startsWith("split-00001-of-"))
                            .findFirst()
                            .orElseThrow());
        }

        List<String> texts = new ArrayList<>(NastyTexts.all());
        texts.add(Files.readString(Path.of(DOCS_LM, "samples-eval.txt")));
        tokens = LlamaCpp.tokenize(files.get("Q4_K_M"), texts);
        chunks = Perplexity.chunks(tokens.ids().get(texts.size() - 1), CONTEXT, tokens.bos(), CHUNKS);
        assertEquals(CHUNKS, chunks.length);
        List<Logits> logits = LlamaCpp.logits(List.copyOf(files.values()), chunks, Perplexity.first(CONTEXT));
        for (String name : files.keySet()) {
            LOGITS.put(name, logits.get(LOGITS.size()));
        }
    }

    /** Short, for a test. */
    private static String[] training() {
        String text = Path.of(DOCS_LM, "samples-calibration.txt").toString();
        return new String[] {
            "--method",
            "qat",
            "--calibration",
            text,
            "--calibration-tokens",
            "4096",
            "--sequence-length",
            "256",
            "--sweeps",
            "0",
            "--qat-steps",
            "20",
            "--qat-model-steps",
            "20"
        };
    }

    @AfterAll
    static void close() throws IOException {
        for (Logits logits : LOGITS.values()) {
            logits.close();
        }
    }

    static Stream<FileType> types() {
        return Arrays.stream(FileType.values()).filter(FileType::available);
    }

    static Stream<String> names() {
        return Stream.concat(types().map(FileType::name), ONE_TYPE.keySet().stream());
    }

    /**
     * The limit is a rule of thumb: each bit more divides the divergence by 2.8. Measured are a tenth to a half of it;
     * weights in a wrong layout would give 2 and more.
     */
    @ParameterizedTest
    @MethodSource("names")
    void predictsAsFinelyAsItsBitsAllow(String name) throws IOException {
        double divergence = Divergence.meanKl(LOGITS.get("F32"), LOGITS.get(name)); // an infinite logit makes it NaN
        assertTrue(Double.isFinite(divergence), name + " has logits that are not finite");
        if (FOR_TRAINED_SO.contains(name)) {
            return;
        }
        double bits = ONE_TYPE.containsKey(name)
                ? ONE_TYPE.get(name)
                : FileType.valueOf(name).bitsPerWeight();
        // llama.cpp rounds what it multiplies bfloat16 weights with to bfloat16 too
        double limit = BRAIN_FLOATS.contains(name) ? 1e-4 : 8 * Math.pow(2, -1.5 * bits);
        assertTrue(divergence <= limit, name + ": mean KL is " + divergence + ", the limit " + limit);
    }

    @Test
    void moreBitsAreNearer() throws IOException {
        double last = 0;
        for (String name : List.of("F32", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")) {
            double divergence = Divergence.meanKl(LOGITS.get("F32"), LOGITS.get(name));
            assertTrue(name.equals("F32") || divergence > last, name + ": " + divergence + " after " + last);
            last = divergence;
        }
    }

    @Test
    void bothPackingsOfThirdsPredictTheSame() throws IOException {
        double divergence = Divergence.meanKl(LOGITS.get("TQ1_0"), LOGITS.get("TQ2_0"));
        assertTrue(divergence < 1e-9, "mean KL is " + divergence);
        double distant = Divergence.meanKl(LOGITS.get("TQ1_0"), LOGITS.get("Q2_0"));
        assertTrue(distant > 1e-2, "mean KL is only " + distant);
    }

    /** Models that were not trained so are rounded to one and two thirds of a bit, and one, by training them. */
    @ParameterizedTest
    @ValueSource(strings = {"TQ2_0", "Q1_0"})
    void trainingTakesModelsToThirdsAndSigns(String type) throws IOException {
        double rounded = Divergence.meanKl(LOGITS.get("F32"), LOGITS.get(type));
        double trained = Divergence.meanKl(LOGITS.get("F32"), LOGITS.get(type + TRAINED));
        assertTrue(trained < 0.75 * rounded, "mean KL is " + trained + ", of plain rounding " + rounded);
    }

    @Test
    void perplexityOfFourBitsIsThatOfF32() throws IOException {
        double f32 = Perplexity.of(chunks, LOGITS.get("F32"));
        double q4 = Perplexity.of(chunks, LOGITS.get("Q4_K_M"));
        assertTrue(f32 < 40, "the text was written by this model, but its perplexity is " + f32); // measured: 22
        assertEquals(1, q4 / f32, 0.03, "F32 has " + f32 + ", Q4_K_M " + q4); // measured: 1.002
    }

    @Test
    void aSplitModelPredictsWhatTheWholeOneDoes() throws IOException {
        assertEquals(0, Divergence.meanKl(LOGITS.get("Q4_K_M"), LOGITS.get("split")));
    }

    @Test
    void writesWordsOfItsLanguage() throws IOException {
        String text = LlamaCpp.generate(folder.resolve("Q4_K_M.gguf"), "The second argument", 80);
        Set<String> known = words(Files.readString(Path.of(DOCS_LM, "samples-eval.txt"))
                + Files.readString(Path.of(DOCS_LM, "samples-calibration.txt")));
        Set<String> written = words(text);
        Set<String> unknown = new TreeSet<>(written);
        unknown.removeAll(known);
        assertTrue(written.size() >= 4, text);
        assertEquals(Set.of(), unknown, text);
    }

    private static Set<String> words(String text) {
        return Pattern.compile("[a-zA-Z]{3,}")
                .matcher(text)
                .results()
                .map(MatchResult::group)
                .collect(Collectors.toSet());
    }

    @Test
    void tokenizesAsHuggingFaceDoes() throws IOException {
        assertTrue(tokens.addBos());
        System.setProperty("ai.djl.offline", "true");
        try (HuggingFaceTokenizer exact = HuggingFaceTokenizer.newInstance(
                Path.of(DOCS_LM, "tokenizer.json"), Map.of("truncation", "false", "padding", "false"))) {
            assertEquals(tokens.bos(), exact.encode("", true, false).getIds()[0]);
            assertEquals("<|end_of_text|>", exact.decode(new long[] {tokens.eos()}, false));
            List<String> texts = NastyTexts.all();
            for (int i = 0; i < texts.size(); i++) {
                String text = texts.get(i);
                assertArrayEquals(
                        exact.encode(text, false, false).getIds(),
                        Arrays.stream(tokens.ids().get(i)).asLongStream().toArray(),
                        () -> "seed " + NastyTexts.SEED + ", text " + TextNode.valueOf(text));
            }
        }
    }

    private static GgufHeader header(Path file) throws IOException {
        try (RangeReader reader = new LocalStorage().open(file.toString())) {
            return GgufReader.read(reader);
        }
    }
}
