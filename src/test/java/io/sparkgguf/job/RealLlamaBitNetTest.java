package io.sparkgguf.job;

import static io.sparkgguf.cli.Cli.quantize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.BitNetCheckpoint;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.llamacpp.Divergence;
import io.sparkgguf.llamacpp.LlamaCpp;
import io.sparkgguf.llamacpp.Logits;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * BitNet files run by a real llama.cpp. It gates with SiLU whatever the model does, so what is compared gates so, too; and
 * it rounds what ternary weights are multiplied with to INT8 for 256 columns at a time, where BitNet does it for a token.
 */
class RealLlamaBitNetTest {
    private static final String ROUNDING = ".activation_bits";
    private static final String GATES = "bitnet.hidden_activation";

    @TempDir
    static Path folder;

    private static final Map<String, Path> FILES = new LinkedHashMap<>();
    private static final Map<String, Logits> LOGITS = new LinkedHashMap<>();
    private static final int[][] IDS = Fixture.BITNET.expected().inputIds();

    @BeforeAll
    static void runAll() throws IOException {
        LlamaCpp.assumeAvailable();
        String plain = silu(BitNetCheckpoint.online(Fixture.BITNET)
                        .configure(config -> config.remove("quantization_config")))
                .write(folder.resolve("plain"))
                .toString();
        String online = silu(BitNetCheckpoint.online(Fixture.BITNET))
                .write(folder.resolve("online"))
                .toString();
        String packed = silu(BitNetCheckpoint.packed(Fixture.BITNET, "autobitlinear"))
                .write(folder.resolve("packed"))
                .toString();
        String squared = BitNetCheckpoint.online(Fixture.BITNET)
                .write(folder.resolve("squared"))
                .toString();
        String llama = BitNetCheckpoint.packed(Fixture.LLAMA, "bitlinear")
                .write(folder.resolve("llama"))
                .toString();
        add("plain", plain, "F32");
        add("F32", online, "F32");
        add("TQ1_0", online, "TQ1_0", "--token-embedding-type", "F32");
        add("TQ2_0", packed, "TQ2_0", "--token-embedding-type", "F32");
        add("mix", packed, "TQ2_0");
        add("squared", squared, "F32");
        add("llama", llama, "TQ2_0", "--token-embedding-type", "F32", "--output-tensor-type", "F32");
        List<Logits> logits = LlamaCpp.logits(new ArrayList<>(FILES.values()), IDS, 0);
        for (String name : FILES.keySet()) {
            LOGITS.put(name, logits.get(LOGITS.size()));
        }
    }

    private static BitNetCheckpoint silu(BitNetCheckpoint checkpoint) {
        return checkpoint.configure(config -> config.put("hidden_act", "silu"));
    }

    private static void add(String name, String model, String type, String... more) {
        FILES.put(name, quantize(folder.resolve(name + ".gguf"), model, type, more));
    }

    @AfterAll
    static void close() throws IOException {
        for (Logits logits : LOGITS.values()) {
            logits.close();
        }
    }

    /** Norms, rotation and gates of its graph are those of the forward pass. */
    @ParameterizedTest
    @ValueSource(strings = {"plain", "F32"})
    void computesWhatTheForwardPassDoes(String name) throws IOException {
        float[][][] expected = BitNetForward.logits(FILES.get(name), IDS, "bitnet" + ROUNDING);
        Divergence.assertMeanKlBelow(1e-9, expected, LOGITS.get(name));
    }

    /** The limit is what BitNet's own rounding of activations does: that of llama.cpp is at least as fine. */
    @ParameterizedTest
    @ValueSource(strings = {"TQ1_0", "TQ2_0", "llama"})
    void runsTernaryTypesAsFinelyAsInt8Activations(String name) throws IOException {
        String architecture = name.equals("llama") ? name : "bitnet";
        float[][][] unrounded = BitNetForward.logits(FILES.get(name), IDS, architecture + ROUNDING);
        float[][][] rounded = BitNetForward.logits(FILES.get(name), IDS);
        double limit = meanKl(unrounded, rounded);
        assertTrue(limit > 1e-7 && limit < 1e-2, "rounding activations does " + limit);
        double found = Divergence.meanKl(unrounded, LOGITS.get(name));
        assertTrue(found < 1.5 * limit, name + ": mean KL is " + found + ", that of rounding " + limit);
        assertTrue(found > 1e-7, "llama.cpp rounds, too, but mean KL is " + found);
    }

    /** As a user would have it, the embedding in Q6_K. */
    @Test
    void runsTheUsualMix() throws IOException {
        float[][][] expected = BitNetForward.logits(FILES.get("TQ2_0"), IDS, "bitnet" + ROUNDING);
        double divergence = Divergence.meanKl(expected, LOGITS.get("mix"));
        assertTrue(divergence > 0 && divergence < 1e-2, "mean KL is " + divergence);
    }

    /** What a warning says: squared ReLU is not run. Should this fail, llama.cpp has learnt it, and the warning can go. */
    @Test
    void squaredReluIsRunAsSilu() throws IOException {
        float[][][] silu = BitNetForward.logits(FILES.get("squared"), IDS, "bitnet" + ROUNDING, GATES);
        Divergence.assertMeanKlBelow(1e-9, silu, LOGITS.get("squared"));
        float[][][] squared = BitNetForward.logits(FILES.get("squared"), IDS, "bitnet" + ROUNDING);
        double divergence = Divergence.meanKl(squared, LOGITS.get("squared"));
        assertTrue(divergence > 0.01, "mean KL is only " + divergence);
    }

    private static double meanKl(float[][][] expected, float[][][] found) {
        double sum = 0;
        int count = 0;
        for (int sequence = 0; sequence < expected.length; sequence++) {
            for (int position = 0; position < expected[sequence].length; position++) {
                sum += Divergence.kl(expected[sequence][position], found[sequence][position]);
                count++;
            }
        }
        assertEquals(2 * 96, count);
        return sum / count;
    }
}
