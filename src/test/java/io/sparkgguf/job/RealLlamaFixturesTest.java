package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.fixtures.Expected;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.format.gguf.GgufTensor;
import io.sparkgguf.llamacpp.Divergence;
import io.sparkgguf.llamacpp.LlamaCpp;
import io.sparkgguf.llamacpp.Logits;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Checkpoints of every architecture, converted by the job and run by a real llama.cpp: it computes what transformers does.
 * All but bitnet, which llama.cpp runs with other gates: see {@link RealLlamaBitNetTest}.
 */
class RealLlamaFixturesTest {
    @TempDir
    static Path folder;

    private static final Set<Fixture> ALIKE = EnumSet.complementOf(EnumSet.of(Fixture.BITNET));

    private static final Map<Fixture, Logits> F32 = new EnumMap<>(Fixture.class);
    private static final Map<Fixture, Logits> BF16 = new EnumMap<>(Fixture.class);

    /** llama with the query rows of layer 0 left in the order of transformers. */
    private static Logits unpermuted;

    /** One process of llama.cpp runs all files. */
    @BeforeAll
    static void runAll() throws IOException {
        LlamaCpp.assumeAvailable();
        List<Path> models = new ArrayList<>();
        int[][] ids = Fixture.LLAMA.expected().inputIds();
        for (Fixture fixture : ALIKE) {
            assertArrayEquals(ids, fixture.expected().inputIds(), "one question serves all");
            String source = fixture.write(folder.resolve(fixture.id())).toString();
            models.add(Cli.quantize(folder.resolve(fixture + "-f32.gguf"), source, "F32"));
            models.add(Cli.quantize(folder.resolve(fixture + "-bf16.gguf"), source, "BF16"));
        }
        models.add(undoPermutation(models.get(0), folder.resolve("unpermuted.gguf")));
        List<Logits> logits = LlamaCpp.logits(models, ids, 0);
        for (Fixture fixture : ALIKE) {
            F32.put(fixture, logits.get(2 * F32.size()));
            BF16.put(fixture, logits.get(2 * BF16.size() + 1));
        }
        unpermuted = logits.get(logits.size() - 1);
    }

    @AfterAll
    static void close() throws IOException {
        for (Map<Fixture, Logits> all : List.of(F32, BF16)) {
            for (Logits logits : all.values()) {
                logits.close();
            }
        }
        if (unpermuted != null) {
            unpermuted.close();
        }
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BITNET")
    void predictsWhatTransformersPredicts(Fixture fixture) throws IOException {
        Expected expected = fixture.expected();
        // Measured: 7e-13. Even a norm's epsilon of the wrong power of ten would show.
        Divergence.assertMeanKlBelow(1e-9, expected.logits(), F32.get(fixture));
        // Measured: 1.5e-5. The weights are exact; llama.cpp rounds what it multiplies them with to bfloat16.
        Divergence.assertMeanKlBelow(1e-4, expected.logits(), BF16.get(fixture));
    }

    @Test
    void rowsInAnotherOrderAreFarOff() throws IOException {
        double divergence = Divergence.meanKl(Fixture.LLAMA.expected().logits(), unpermuted);
        assertTrue(divergence > 1e-3, "mean KL is only " + divergence);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "BITNET")
    void everyFormOfTheCheckpointGivesTheSameFile(Fixture fixture) throws IOException {
        String expected = Cli.sha256(folder.resolve(fixture + "-f32.gguf"));
        // The folder's name is the model's; the files differ in nothing else.
        Path sharded = fixture.write(folder.resolve("sharded").resolve(fixture.id()), DType.F32, 3);
        fixture.useOldConfig(sharded);
        Path output = folder.resolve("sharded-" + fixture + ".gguf");
        assertEquals(expected, Cli.sha256(Cli.quantize(output, sharded.toString(), "F32")));
        Path wide = fixture.write(folder.resolve("wide").resolve(fixture.id()), DType.F64, 1);
        assertEquals(expected, Cli.sha256(Cli.quantize(output, wide.toString(), "F32")));
    }

    /** Writes a copy in which row {@code h * 32 + i} of each query head of layer 0 is what was row {@code 2 i + h}. */
    private static Path undoPermutation(Path model, Path copy) throws IOException {
        GgufHeader header;
        try (RangeReader reader = new LocalStorage().open(model.toString())) {
            header = GgufReader.read(reader);
        }
        GgufTensor query = header.tensors().stream()
                .filter(tensor -> tensor.name().equals("blk.0.attn_q.weight"))
                .findFirst()
                .orElseThrow();
        int rows = (int) query.shape().rows();
        int rowBytes = (int) (query.bytes() / rows);
        int half = rows
                / header.metadata()
                        .integer("llama.attention.head_count")
                        .map(Math::toIntExact)
                        .orElseThrow()
                / 2;
        byte[] bytes = Files.readAllBytes(model);
        byte[] original = bytes.clone();
        int start = (int) (header.dataStart() + query.offset());
        for (int row = 0; row < rows; row++) {
            int within = row % (2 * half);
            int from = row - within + 2 * (within % half) + within / half;
            System.arraycopy(original, start + from * rowBytes, bytes, start + row * rowBytes, rowBytes);
        }
        return Files.write(copy, bytes);
    }
}
