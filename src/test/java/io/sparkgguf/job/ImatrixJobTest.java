package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.DOCS_LM;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.cli.Cli;
import io.sparkgguf.cli.Cli.Outcome;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.format.imatrix.CollectedSums;
import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.format.imatrix.ImatrixFile;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.model.forward.LinearInput;
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
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Importance matrices of docs-lm on text that it wrote, through the command line. */
class ImatrixJobTest {
    private static final LocalStorage STORAGE = new LocalStorage();
    private static final int CONTEXT = 96;
    private static final int BLOCKS = 6;

    @TempDir
    static Path folder;

    private static Path text;
    private static Path other;
    private static Path matrix;
    private static Path otherMatrix;

    @BeforeAll
    static void collect() throws IOException {
        String samples = Files.readString(Path.of(DOCS_LM, "samples-calibration.txt"));
        text = Files.writeString(folder.resolve("text.txt"), samples.substring(0, 12_000));
        other = Files.writeString(folder.resolve("other.txt"), samples.substring(12_000, 15_000));
        matrix = run(folder.resolve("text.imatrix.gguf"), "-m", DOCS_LM, "-f", text.toString(), "--process-output");
        otherMatrix =
                run(folder.resolve("other.imatrix.gguf"), "-m", DOCS_LM, "-f", other.toString(), "--process-output");
    }

    private static Path run(Path output, String... arguments) {
        Outcome outcome = runFor(output, arguments);
        assertEquals(0, outcome.code(), outcome.err());
        return output;
    }

    private static Outcome runFor(Path output, String... arguments) {
        List<String> line = new ArrayList<>(List.of("imatrix", "-c", "" + CONTEXT, "-o", output.toString()));
        line.addAll(List.of(arguments));
        return Cli.run(line.toArray(String[]::new));
    }

    private static Map<String, double[]> sums(Path file, Map<String, long[]> counts) throws IOException {
        Map<String, double[]> sums = new LinkedHashMap<>();
        ImatrixFile index = ImatrixFile.read(STORAGE, file.toString());
        try (RangeReader reader = STORAGE.open(file.toString())) {
            for (ImatrixEntry entry : index.entries().values()) {
                sums.put(entry.tensor(), CollectedSums.sums(reader, entry, 0, CONTEXT));
                counts.put(entry.tensor(), CollectedSums.counts(reader, entry, CONTEXT));
            }
        }
        return sums;
    }

    /** Each sequence by itself, its squares added in double, token by token. */
    @Test
    void sumsAreThoseOfEachSequenceByItself() throws IOException {
        Checkpoint checkpoint = Checkpoint.open(STORAGE, DOCS_LM, null);
        RunnableModel model = RunnableModel.of(checkpoint);
        TokenSequences sequences = CalibrationText.read(
                STORAGE,
                checkpoint.model().metadata(),
                DOCS_LM,
                TextSettings.llama("test", List.of(text.toString()), null, CONTEXT));
        assertTrue(sequences.tokens().length > Passage.TOKENS, "one passage is too few to test");
        Map<String, double[]> naive = new LinkedHashMap<>();
        try (WeightSource weights = model.open(STORAGE)) {
            Decoder decoder = model.decoder(weights);
            float[] hidden = new float[CONTEXT * decoder.width()];
            for (int sequence = 0; sequence < sequences.count(); sequence++) {
                decoder.embed(sequences.tokens(), sequences.start(sequence), CONTEXT, hidden);
                for (int block = 0; block < BLOCKS; block++) {
                    decoder.block(
                            block,
                            hidden,
                            new int[] {CONTEXT},
                            (at, input, x, tokens, columns) -> input.tensors(at)
                                    .forEach(tensor -> addSquares(
                                            x, tokens, naive.computeIfAbsent(tensor, key -> new double[columns]))),
                            null);
                }
            }
        }
        Map<String, long[]> counts = new LinkedHashMap<>();
        Map<String, double[]> found = sums(matrix, counts);
        Set<String> names = new TreeSet<>(naive.keySet());
        names.add("output.weight");
        assertEquals(names, found.keySet());
        naive.forEach((tensor, expected) -> {
            assertArrayEquals(new long[] {sequences.tokens().length}, counts.get(tensor));
            assertArrayEquals(
                    expected,
                    found.get(tensor),
                    1e-6 * Arrays.stream(expected).max().orElseThrow(),
                    tensor);
        });
        ImatrixFile index = ImatrixFile.read(STORAGE, matrix.toString());
        assertEquals(sequences.count(), index.chunkCount());
        assertEquals(CONTEXT, index.chunkSize());
        assertEquals(List.of(text.toString()), index.datasets());
    }

    private static void addSquares(float[] x, int tokens, double[] sums) {
        for (int i = 0; i < tokens * sums.length; i++) {
            sums[i % sums.length] += (double) x[i] * x[i];
        }
    }

    /** What the head reads was normed: the squares of a token add up to about its width, before the norm's weights. */
    @Test
    void theHeadsInputIsNormed() throws IOException {
        Checkpoint checkpoint = Checkpoint.open(STORAGE, DOCS_LM, null);
        Map<String, long[]> counts = new LinkedHashMap<>();
        double[] sums = sums(matrix, counts).get("output.weight");
        float[] norm = new float[sums.length];
        try (WeightSource weights = RunnableModel.of(checkpoint).open(STORAGE)) {
            weights.rows("output_norm.weight", 0, 1, norm, 0);
        }
        double total = 0;
        for (int i = 0; i < sums.length; i++) {
            total += sums[i] / norm[i] / norm[i];
        }
        long tokens = counts.get("output.weight")[0];
        assertEquals(norm.length, total / tokens, 1e-3 * norm.length);
    }

    @Test
    void mergedFilesAreTheSumOfAll() throws IOException {
        Path merged =
                run(folder.resolve("merged.gguf"), "--merge", matrix.toString(), "--merge", otherMatrix.toString());
        Path added = run(
                folder.resolve("added.gguf"),
                "-m",
                DOCS_LM,
                "-f",
                other.toString(),
                "--process-output",
                "--in-file",
                matrix.toString());
        assertEquals(-1, Files.mismatch(merged, added), "merging files or while collecting");

        Map<String, long[]> counts = new LinkedHashMap<>();
        Map<String, long[]> otherCounts = new LinkedHashMap<>();
        Map<String, long[]> mergedCounts = new LinkedHashMap<>();
        Map<String, double[]> own = sums(matrix, counts);
        Map<String, double[]> others = sums(otherMatrix, otherCounts);
        sums(merged, mergedCounts).forEach((tensor, found) -> {
            double[] sum = own.get(tensor).clone();
            for (int i = 0; i < sum.length; i++) {
                sum[i] = (float) (sum[i] + others.get(tensor)[i]);
            }
            assertArrayEquals(sum, found, tensor);
            assertEquals(
                    counts.get(tensor)[0] + otherCounts.get(tensor)[0],
                    mergedCounts.get(tensor)[0]);
        });
        ImatrixFile index = ImatrixFile.read(STORAGE, merged.toString());
        assertEquals(List.of(text.toString(), other.toString()), index.datasets());
        assertEquals(mergedCounts.get("blk.0.attn_q.weight")[0] / CONTEXT, index.chunkCount());
    }

    @Test
    void theOlderFormatHoldsTheSameImportance() throws IOException {
        Path legacy = run(folder.resolve("merged.dat"), "--merge", matrix.toString());
        assertTrue(ImatrixFile.read(STORAGE, legacy.toString()).legacy());
        Map<String, double[]> own = sums(matrix, new LinkedHashMap<>());
        sums(legacy, new LinkedHashMap<>())
                .forEach((tensor, found) -> assertArrayEquals(
                        own.get(tensor),
                        found,
                        1e-6 * Arrays.stream(found).max().orElseThrow(),
                        tensor));
        Path back = run(folder.resolve("back.gguf"), "--merge", legacy.toString());
        assertEquals(
                ImatrixFile.read(STORAGE, matrix.toString()).chunkCount(),
                ImatrixFile.read(STORAGE, back.toString()).chunkCount());
    }

    @Test
    void quantizeTakesIt() {
        Path plain = Cli.quantize(folder.resolve("plain.gguf"), DOCS_LM, "Q3_K_M");
        Path weighted =
                Cli.quantize(folder.resolve("weighted.gguf"), DOCS_LM, "Q3_K_M", "--imatrix", matrix.toString());
        assertTrue(plain.toFile().length() < weighted.toFile().length(), "the header tells of the matrix");
    }

    @Test
    void bytesDoNotDependOnTheCluster() throws IOException {
        Path one = folder.resolve("one.gguf");
        Outcome outcome = Cli.runOn(
                "local[1]",
                "imatrix",
                "-c",
                "" + CONTEXT,
                "-o",
                one.toString(),
                "-m",
                DOCS_LM,
                "-f",
                text.toString(),
                "--process-output");
        assertEquals(0, outcome.code(), outcome.err());
        assertEquals(-1, Files.mismatch(matrix, one));
        assertTrue(Files.notExists(Path.of(one + ".work")), "the work folder is still there");
    }

    @Test
    void filesOfAnotherModelAreNotMerged() throws IOException {
        Path fixture = Fixture.LLAMA.write(folder.resolve("llama"));
        Path tokens = Files.write(folder.resolve("tokens.bin"), new byte[4 * CONTEXT]);
        Path small = run(folder.resolve("small.gguf"), "-m", fixture.toString(), "-f", tokens.toString());
        Path output = folder.resolve("refused.gguf");
        refused(
                "Cannot merge imatrix " + small + ": it has no entry blk.2.attn_k.weight, which is in " + matrix,
                runFor(output, "--merge", matrix.toString(), "--merge", small.toString()));
        refused(
                "Cannot merge imatrix " + matrix + ": its entry blk.2.attn_k.weight is not in " + small,
                runFor(output, "--merge", small.toString(), "--merge", matrix.toString()));
        Path wide = Imatrices.write(folder.resolve("wide.gguf"), Map.of("blk.0.attn_q.weight", 256));
        Path narrow = Imatrices.write(folder.resolve("narrow.gguf"), Map.of("blk.0.attn_q.weight", 128));
        refused(
                "Cannot merge imatrix " + narrow
                        + ": entry blk.0.attn_q.weight has 128 values for each of 1 counts, but" + " 256 for 1 in "
                        + wide,
                runFor(output, "--merge", wide.toString(), "--merge", narrow.toString()));
        assertTrue(Files.notExists(output));
    }

    private static void refused(String reason, Outcome outcome) {
        assertEquals(reason, outcome.reason());
        assertEquals(3, outcome.code(), outcome.err());
    }

    @Test
    void placesOfColumnsFollowEachOther() {
        InputColumns columns = new InputColumns(RunnableModel.of(open()).config(), true);
        int at = 0;
        for (int block = 0; block < BLOCKS; block++) {
            for (LinearInput input : LinearInput.values()) {
                assertEquals(at, columns.at(block, input));
                at += columns.columns(input);
            }
        }
        assertEquals(at, columns.atOutput());
        assertEquals(at + 256, columns.count());
    }

    private static Checkpoint open() {
        try {
            return Checkpoint.open(STORAGE, DOCS_LM, null);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
