package io.sparkgguf.model.forward;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class DecoderConfigTest {
    private static final Set<String> TENSORS = Set.of("blk.1.attn_norm.weight", "output.weight");

    private static Metadata metadata() {
        return RandomModel.metadata("llama", 2, 48, 80, 6, 3, 8);
    }

    @ParameterizedTest
    @EnumSource
    void readsWhatTheMappingWrites(Fixture fixture) {
        DecoderConfig config = FixtureModel.config(FixtureModel.model(fixture), FixtureModel.weights(fixture));
        boolean wide = fixture == Fixture.LLAMA3_ROPE_SCALED_TIED || fixture == Fixture.QWEN3;
        assertEquals(2, config.blocks());
        assertEquals(256, config.width());
        assertEquals(512, config.feedForward());
        assertEquals(8, config.heads());
        assertEquals(2, config.keyValueHeads());
        assertEquals(wide ? 64 : 32, config.headSize());
        assertEquals(wide ? 512 : 256, config.queryColumns());
        assertEquals(1e-5f, config.epsilon());
        assertEquals(512, config.context());
        assertEquals(fixture == Fixture.LLAMA3_ROPE_SCALED_TIED || fixture == Fixture.BITNET, config.tied());
        assertEquals(fixture == Fixture.BITNET, config.subNorms());
        assertEquals(
                fixture == Fixture.BITNET ? DecoderConfig.Gate.SQUARED_RELU : DecoderConfig.Gate.SILU, config.gate());
        assertFalse(config.roundsInputs());
        assertEquals(fixture == Fixture.QWEN3, config.headNorms());
        assertEquals(
                fixture == Fixture.QWEN2 || fixture == Fixture.QWEN3 || fixture == Fixture.BITNET
                        ? Rotary.Pairing.HALVES
                        : Rotary.Pairing.NEIGHBOURS,
                config.rotary().pairing());
    }

    @Test
    void absentKeysHaveTheirUsualValues() {
        Metadata metadata = metadata()
                .remove("llama.attention.head_count_kv")
                .remove("llama.attention.key_length")
                .remove("llama.attention.value_length")
                .remove("llama.rope.freq_base");
        DecoderConfig config = DecoderConfig.of("llama", metadata, TENSORS::contains);
        assertEquals(6, config.keyValueHeads());
        assertEquals(8, config.headSize());
        assertEquals(10000, config.rotary().base());
        assertEquals("llama", config.name());
        assertFalse(config.tied());
        assertTrue(DecoderConfig.of("llama", metadata, Set.of("blk.1.attn_norm.weight")::contains)
                .tied());
    }

    static Stream<Arguments> refused() {
        return Stream.of(
                refused(m -> m.remove("llama.block_count"), "its metadata has no llama.block_count"),
                refused(m -> m.putU32("llama.block_count", 0), "llama.block_count is 0, not from 1 to 2147483647"),
                refused(
                        m -> m.putU32("llama.block_count", 3),
                        "its metadata speaks of 3 blocks, but it has no tensor blk.2.attn_norm.weight"),
                refused(
                        m -> m.putString("llama.embedding_length", "wide"),
                        "llama.embedding_length is 'wide', not one whole number for all blocks"),
                refused(
                        m -> m.putU32("llama.attention.head_count_kv", 4),
                        "4 key and value heads do not divide 6 query heads"),
                refused(
                        m -> m.remove("llama.attention.key_length").putU32("llama.embedding_length", 50),
                        "6 heads do not divide the width, 50"),
                refused(
                        m -> m.putU32("llama.attention.value_length", 16),
                        "its heads have 8 elements for keys, 16 for values and 8 that rotate, but the forward pass needs"
                                + " one even number"),
                refused(
                        m -> m.putU32("llama.rope.dimension_count", 4),
                        "its heads have 8 elements for keys, 8 for values and 4 that rotate, but the forward pass needs"
                                + " one even number"),
                refused(
                        m -> m.putU32("llama.attention.sliding_window", 100),
                        "its sliding window of 100 tokens is below the context of 4096, and the forward pass knows no"
                                + " windows"),
                refused(
                        m -> m.putU32("llama.expert_count", 8),
                        "llama.expert_count is 8, which the forward pass does not know"),
                refused(
                        m -> m.putF32("llama.attention.layer_norm_rms_epsilon", 0),
                        "llama.attention.layer_norm_rms_epsilon is 0.0, not positive"),
                refused(
                        m -> m.remove("llama.attention.layer_norm_rms_epsilon"),
                        "its metadata has no llama.attention.layer_norm_rms_epsilon"),
                refused(
                        m -> m.putF32("llama.rope.freq_base", Float.NaN),
                        "llama.rope.freq_base is NaN, not a finite real number"),
                refused(m -> m.putF32("llama.rope.freq_base", 1), "llama.rope.freq_base is 1.0, not over 1"),
                refused(
                        m -> m.putString("llama.rope.scaling.type", "longrope"),
                        "llama.rope.scaling.type is 'longrope', known are none, linear, yarn"),
                refused(
                        m -> m.put("llama.rope.scaling.type", MetadataValue.Int.of(MetadataType.U32, 1)),
                        "llama.rope.scaling.type is 1, not text"),
                refused(
                        m -> m.putF32("llama.rope.scaling.factor", -2),
                        "llama.rope.scaling.factor is -2.0, not positive"),
                refused(
                        m -> m.putF32("llama.rope.scaling.attn_factor", 2),
                        "llama.rope.scaling.attn_factor is 2.0 without yarn"),
                refused(
                        m -> m.putString("llama.rope.scaling.type", "yarn")
                                .putF32("llama.rope.scaling.yarn_log_multiplier", 0.1f),
                        "llama.rope.scaling.yarn_log_multiplier is 0.10000000149011612, which the forward pass does not"
                                + " know"));
    }

    private static Arguments refused(Consumer<Metadata> change, String reason) {
        return Arguments.of(change, reason);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refusesWhatItCannotRun(Consumer<Metadata> change, String reason) {
        Metadata metadata = metadata();
        DecoderConfig.of("llama", metadata, TENSORS::contains);
        change.accept(metadata);
        assertEquals(
                "Cannot run llama: " + reason,
                assertThrows(InvalidInputException.class, () -> DecoderConfig.of("llama", metadata, TENSORS::contains))
                        .getMessage());
    }

    @Test
    void otherArchitecturesAndTensorsAreRefused() {
        assertEquals(
                "Cannot run falcon: the forward pass does not know the architecture falcon; known are llama, qwen2, qwen3,"
                        + " bitnet",
                assertThrows(
                                InvalidInputException.class,
                                () -> DecoderConfig.of("falcon", new Metadata(), TENSORS::contains))
                        .getMessage());
        assertEquals(
                "Cannot run A model: it has the tensor blk.1.ffn_gate_exps.weight, which the forward pass of llama does"
                        + " not know",
                assertThrows(
                                InvalidInputException.class,
                                () -> DecoderConfig.of(
                                        "llama",
                                        metadata().putString("general.name", "A model"),
                                        name -> TENSORS.contains(name) || name.equals("blk.1.ffn_gate_exps.weight")))
                        .getMessage());
    }
}
