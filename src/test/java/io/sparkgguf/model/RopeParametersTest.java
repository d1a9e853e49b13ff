package io.sparkgguf.model;

import static io.sparkgguf.model.Checkpoints.json;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RopeParametersTest {
    private static final Set<String> KNOWN = Set.of("default", "linear", "dynamic", "yarn", "llama3");

    private static RopeParameters rope(String config) {
        return RopeParameters.of(json(config), KNOWN, "llama");
    }

    private static List<String> lines(String config) {
        Metadata metadata = new Metadata();
        rope(config).put(metadata, "");
        return Checkpoints.lines(new Model("llama", metadata, List.of()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{'rope_scaling':null}",
                "{'rope_theta':10000}",
                "{'rope_scaling':{'type':'dynamic','factor':2.0}}",
                "{'rope_parameters':{'rope_theta':10000.0,'rope_type':'default'}}"
            })
    void plain_rope_is_its_base(String config) {
        assertEquals(List.of("rope.freq_base F32 10000.0"), lines(config));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'rope_theta':1e6,'rope_scaling':{'type':'linear','factor':4}}",
                "{'rope_theta':1e6,'rope_scaling':{'rope_type':'linear','factor':4.0}}",
                "{'rope_theta':1e6,'rope_parameters':{'rope_type':'linear','factor':4.0}}",
                "{'rope_parameters':{'rope_theta':1000000,'rope_type':'linear','factor':4.0}}"
            })
    void linear_scaling_in_every_spelling(String config) {
        assertEquals(
                List.of(
                        "rope.scaling.type STRING linear",
                        "rope.scaling.factor F32 4.0",
                        "rope.freq_base F32 1000000.0"),
                lines(config));
    }

    @Test
    void yarn_with_all_its_keys() {
        assertEquals(
                List.of(
                        "rope.scaling.type STRING yarn",
                        "rope.scaling.factor F32 4.0",
                        "rope.scaling.original_context_length U32 32768",
                        "rope.scaling.yarn_ext_factor F32 1.0",
                        "rope.scaling.yarn_attn_factor F32 1.25",
                        "rope.scaling.yarn_beta_fast F32 32.0",
                        "rope.scaling.yarn_beta_slow F32 1.0",
                        "rope.freq_base F32 10000.0"),
                lines("{'rope_scaling':{'type':'yarn','factor':4.0,'original_max_position_embeddings':32768,"
                        + "'extrapolation_factor':1,'attention_factor':1.25,'beta_fast':32,'beta_slow':1}}"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'max_position_embeddings':2048,'rope_scaling':{'type':'yarn','factor':4.0}}",
                "{'max_position_embeddings':8192,'original_max_position_embeddings':2048,"
                        + "'rope_scaling':{'type':'yarn','factor':4.0}}"
            })
    void the_original_context_is_found_where_transformers_finds_it(String config) {
        assertEquals(
                "rope.scaling.original_context_length U32 2048", lines(config).get(2));
    }

    private static String llama3(double theta, double factor, double low, double high, int original) {
        return "{'rope_theta':" + theta + ",'rope_scaling':{'rope_type':'llama3','factor':" + factor
                + ",'low_freq_factor':" + low + ",'high_freq_factor':" + high + ",'original_max_position_embeddings':"
                + original + "}}";
    }

    /** Against the definition in double precision, in turns within the original context rather than wavelengths. */
    @ParameterizedTest
    @CsvSource({
        "500000, 8, 1, 4, 8192, 128",
        "500000, 32, 1, 4, 8192, 64",
        "500000, 8, 1, 4, 64, 64",
        "10000, 4, 1.5, 2.5, 1000, 80"
    })
    void llama3_divides_the_slow_frequencies(
            double theta, double factor, double low, double high, int original, int headDim) {
        float[] divisors = rope(llama3(theta, factor, low, high, original))
                .frequencyDivisors(headDim)
                .orElseThrow();
        assertEquals(headDim / 2, divisors.length);
        int kept = 0;
        int blended = 0;
        for (int i = 0; i < divisors.length; i++) {
            double turns = original * Math.pow(theta, -2.0 * i / headDim) / (2 * Math.PI);
            double share = Math.min(1, Math.max(0, (turns - low) / (high - low)));
            double scaled = share + (1 - share) / factor;
            assertEquals(1 / scaled, divisors[i], 2e-5 / scaled, "frequency " + i);
            kept += share == 1 ? 1 : 0;
            blended += share > 0 && share < 1 ? 1 : 0;
        }
        assertTrue(
                kept > 0 && blended > 0 && kept + blended < divisors.length, kept + " kept, " + blended + " blended");
    }

    @Test
    void only_llama3_has_divisors() {
        assertTrue(rope("{}").frequencyDivisors(64).isEmpty());
        assertEquals(
                List.of("rope.freq_base F32 500000.0"),
                lines(llama3(500000, 8, 1, 4, 8192)),
                "llama3 is told by the tensor alone");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'rope_scaling':{'type':'longrope'}} | rope_scaling is of type longrope; of llama known are default,"
                        + " dynamic, linear, llama3, yarn",
                "{'rope_scaling':{'type':'linear'}} | rope_scaling.factor is missing (linear rope needs it)",
                "{'rope_scaling':{'type':'linear','factor':-1}} | factor is -1.0, not positive",
                "{'rope_scaling':{'type':'linear','factor':'2'}} | rope_scaling.factor is \"2\", not a finite number",
                "{'rope_scaling':{'type':'linear','factor':NaN}} | rope_scaling.factor is \"NaN\", not a finite number",
                "{'rope_scaling':{'type':7}} | rope_scaling.type is 7, not text",
                "{'rope_scaling':[]} | rope_scaling is [], not an object",
                "{'rope_theta':1} | rope_theta is 1.0, not over 1",
                "{'rope_theta':1e999} | rope_theta is \"Infinity\", not a finite number",
                "{'rope_theta':1e4,'rope_parameters':{'rope_theta':1e6}} | rope_theta is 10000.0, but"
                        + " rope_parameters.rope_theta is 1000000.0",
                "{'partial_rotary_factor':0.5} | partial_rotary_factor is 0.5, but llama rotates whole heads",
                "{'rope_parameters':{'partial_rotary_factor':0.5}} | partial_rotary_factor is 0.5, but llama rotates",
                "{'rope_parameters':{'full_attention':{'rope_theta':1e6}}} | rope_parameters has a section full_attention,"
                        + " but llama knows one for all layers",
                "{'rope_scaling':{'type':'yarn','factor':2}} | max_position_embeddings is missing (llama needs it)",
                "{'rope_scaling':{'type':'yarn','factor':2,'mscale':1}} | yarn's mscale and mscale_all_dim are not known",
                "{'rope_scaling':{'type':'yarn','factor':2,'original_max_position_embeddings':0}} |"
                        + " original_max_position_embeddings is 0, not from 1 to 2147483647"
            })
    void refuses(String config, String message) {
        String found =
                assertThrows(InvalidInputException.class, () -> lines(config)).getMessage();
        assertTrue(found.startsWith("Cannot use config.json: " + message), found);
    }

    @ParameterizedTest
    @CsvSource({
        "8, 4, 4, 8192, 'high_freq_factor is 4.0, not over low_freq_factor, 4.0'",
        "0, 1, 4, 8192, 'factor is 0.0, not positive'",
        "8, 1, 4, 0, 'original_max_position_embeddings is 0, not from 1 to 2147483647'"
    })
    void refuses_llama3(double factor, double low, double high, int original, String message) {
        RopeParameters rope = rope(llama3(500000, factor, low, high, original));
        assertEquals(
                "Cannot use config.json: " + message,
                assertThrows(InvalidInputException.class, () -> rope.frequencyDivisors(64))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"factor", "low_freq_factor", "high_freq_factor"})
    void llama3_needs(String key) {
        RopeParameters rope = rope(llama3(500000, 8, 1, 4, 64).replace("'" + key + "'", "'x'"));
        assertEquals(
                "Cannot use config.json: rope_scaling." + key + " is missing (llama3 rope needs it)",
                assertThrows(InvalidInputException.class, () -> rope.frequencyDivisors(64))
                        .getMessage());
    }
}
