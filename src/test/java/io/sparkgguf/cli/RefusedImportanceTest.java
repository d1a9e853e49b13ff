package io.sparkgguf.cli;

import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.format.imatrix.ImatrixWriter;
import io.sparkgguf.format.imatrix.ImatrixWriter.Collected;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Importance matrices that are damaged or not of the model, in both file formats, through the command line. */
class RefusedImportanceTest {
    private static final String QUERY = "blk.0.attn_q.weight";
    private static final int COLUMNS = 256;

    @TempDir
    private static Path sound;

    private static Path model;

    @TempDir
    private Path folder;

    private OutputFolder output;
    private Path imatrix;

    @BeforeAll
    static void writeModel() throws IOException {
        model = Fixture.LLAMA.write(sound.resolve("llama"));
    }

    @BeforeEach
    void nameFiles() throws IOException {
        output = new OutputFolder(folder.resolve("out"));
        imatrix = folder.resolve("imatrix");
    }

    private void write(boolean legacy, String tensor, int columns, float seventeenth) throws IOException {
        ImatrixWriter writer = new ImatrixWriter(List.of("text"), 1, 512);
        List<Collected> entries = List.of(new Collected(tensor, columns, new long[] {1}));
        try (OutputStream out = Files.newOutputStream(imatrix)) {
            ImatrixWriter.Sums sums = (name, index) -> {
                float[] values = new float[columns];
                Arrays.fill(values, 0.5f);
                values[17] = seventeenth;
                return values;
            };
            if (legacy) {
                writer.writeLegacy(out, entries, sums);
            } else {
                writer.writeGguf(out, entries, sums);
            }
        }
    }

    private void refuses(String reason, String... more) throws IOException {
        List<String> arguments = new java.util.ArrayList<>(List.of("--imatrix", imatrix.toString()));
        arguments.addAll(List.of(more));
        output.refuses(reason.replace("{imatrix}", imatrix.toString()), model, arguments.toArray(String[]::new));
    }

    static Stream<Arguments> unfit() {
        return Stream.of(
                arguments(
                        "blk.7.attn_q.weight",
                        COLUMNS,
                        0.5f,
                        "Cannot use imatrix {imatrix}: none of its 1 entries names a tensor of this model (the first is"
                                + " blk.7.attn_q.weight); it belongs to another one"),
                arguments(
                        QUERY,
                        128,
                        0.5f,
                        "Cannot use imatrix {imatrix} for tensor '" + QUERY
                                + "': it holds 128 values with 1 counts, but"
                                + " the tensor of shape [256, 256] needs 256 for each of 1 matrices"),
                arguments(
                        QUERY,
                        COLUMNS,
                        Float.NaN,
                        "Cannot use imatrix {imatrix}: the value of tensor '" + QUERY
                                + "', matrix 0, column 17 is NaN"),
                arguments(
                        QUERY,
                        COLUMNS,
                        Float.POSITIVE_INFINITY,
                        "Cannot use imatrix {imatrix}: the value of tensor '" + QUERY
                                + "', matrix 0, column 17 is Infinity"),
                arguments(
                        QUERY,
                        COLUMNS,
                        -1f,
                        "Cannot use imatrix {imatrix}: the value of tensor '" + QUERY
                                + "', matrix 0, column 17 is -1.0"));
    }

    @ParameterizedTest
    @MethodSource("unfit")
    void refusesAMatrixThatDoesNotFit(String tensor, int columns, float value, String reason) throws IOException {
        for (boolean legacy : new boolean[] {false, true}) {
            write(legacy, tensor, columns, value);
            refuses(reason);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesADamagedFile(boolean legacy) throws IOException {
        write(legacy, QUERY, COLUMNS, 1f);
        CheckpointDamage.resize(imatrix, Files.size(imatrix) - 100);
        refuses(
                legacy
                        ? "Cannot read imatrix {imatrix} at byte #: entry '" + QUERY
                                + "' of 256 values takes 1024 bytes, but only # are left (the file ends at byte #)"
                        : "Cannot read GGUF file {imatrix} at byte #: tensor '" + QUERY
                                + ".in_sum2' takes 1024 bytes from offset 0 of the data, which ends at offset #");
        Files.write(imatrix, new byte[0]);
        refuses("Cannot read imatrix {imatrix} at byte 0: the number of entries takes 4 bytes, but only 0 are left (the"
                + " file ends at byte 0)");
        Files.delete(imatrix);
        refuses("Cannot open imatrix {imatrix}: no such file");
    }

    @Test
    void refusesAModelInItsPlace() throws IOException {
        Cli.run("quantize", "--model", model.toString(), "--output", imatrix.toString(), "--type", "Q8_0");
        refuses("Cannot read imatrix {imatrix}: key imatrix.datasets is missing, so it is no importance matrix");
    }

    @Test
    void refusesWhatLeavesNoImportance() throws IOException {
        write(false, QUERY, COLUMNS, 1f);
        refuses(
                "Cannot filter importance by --include-weights [ffn_up]: none of the 1 entries is left",
                "--include-weights",
                "ffn_up");
        refuses(
                "Cannot quantize blk.0.attn_k.weight to Q2_K in Q2_K_S: the importance matrix has no entry for it",
                "--type",
                "Q2_K_S");
        output.refuses(
                "Cannot quantize blk.0.attn_k.weight to Q2_K in Q2_K_S without an importance matrix: give one with"
                        + " --imatrix",
                model,
                "--type",
                "Q2_K_S");
    }

    @Test
    void theNextRunWorks() throws IOException {
        write(false, QUERY, COLUMNS, Float.NaN);
        refuses("Cannot use imatrix {imatrix}: the value of tensor '" + QUERY + "', matrix 0, column 17 is NaN");
        write(false, QUERY, COLUMNS, 2f);
        output.accepts(model, "--imatrix", imatrix.toString());
    }
}
