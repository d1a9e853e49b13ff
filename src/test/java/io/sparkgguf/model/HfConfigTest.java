package io.sparkgguf.model;

import static io.sparkgguf.model.Checkpoints.json;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import io.sparkgguf.tensor.InvalidInputException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class HfConfigTest {

    @Test
    void gives_what_is_there() {
        HfConfig config = json("{'n':7,'x':1e-5,'t':'text','b':true,'none':null,'list':['first',2],'in':{'n':8},"
                + "'limit':Infinity}");
        assertEquals(OptionalLong.of(7), config.integer("n"));
        assertEquals(1e-5, config.real("x").getAsDouble());
        assertEquals(7, config.real("n").getAsDouble());
        assertEquals("text", config.text("t").orElseThrow());
        assertTrue(config.flag("b"));
        assertEquals("first", config.firstText("list").orElseThrow());
        assertEquals(OptionalLong.of(8), config.section("in").orElseThrow().integer("n"));
        for (String absent : new String[] {"none", "nothing"}) {
            assertFalse(config.has(absent));
            assertTrue(config.integer(absent).isEmpty());
            assertTrue(config.real(absent).isEmpty());
            assertTrue(config.text(absent).isEmpty());
            assertTrue(config.section(absent).isEmpty());
            assertTrue(config.firstText(absent).isEmpty());
            assertFalse(config.flag(absent));
        }
    }

    static Stream<Arguments> wrongKinds() {
        return Stream.of(
                arguments("{'k':1.5}", (Consumer<HfConfig>) c -> c.integer("k"), "k is 1.5, not a whole number"),
                arguments("{'k':7.0}", (Consumer<HfConfig>) c -> c.integer("k"), "k is 7.0, not a whole number"),
                arguments(
                        "{'k':99999999999999999999}",
                        (Consumer<HfConfig>) c -> c.integer("k"),
                        "k is 99999999999999999999, not a whole number"),
                arguments("{'k':NaN}", (Consumer<HfConfig>) c -> c.real("k"), "k is \"NaN\", not a finite number"),
                arguments("{'k':true}", (Consumer<HfConfig>) c -> c.real("k"), "k is true, not a finite number"),
                arguments("{'k':1}", (Consumer<HfConfig>) c -> c.flag("k"), "k is 1, not true or false"),
                arguments("{'k':{}}", (Consumer<HfConfig>) c -> c.text("k"), "k is {}, not text"),
                arguments("{'k':[3]}", (Consumer<HfConfig>) c -> c.firstText("k"), "k is [3], not a list of texts"),
                arguments("{'k':[]}", (Consumer<HfConfig>) c -> c.section("k"), "k is [], not an object"),
                arguments(
                        "{'in':{'k':'x'}}",
                        (Consumer<HfConfig>) c -> c.section("in").orElseThrow().real("k"),
                        "in.k is \"x\", not a finite number"),
                arguments(
                        "{'k':'" + "y".repeat(1000) + "'}",
                        (Consumer<HfConfig>) c -> c.integer("k"),
                        "k is \"" + "y".repeat(59) + "..., not a whole number"));
    }

    @ParameterizedTest
    @MethodSource("wrongKinds")
    void refuses_the_wrong_kind(String text, Consumer<HfConfig> ask, String message) {
        HfConfig config = json(text);
        assertEquals(
                "Cannot use config.json: " + message,
                assertThrows(InvalidInputException.class, () -> ask.accept(config))
                        .getMessage());
    }

    static Stream<Arguments> bombs() {
        byte[] large = new byte[HfConfig.MAX_BYTES + 1];
        Arrays.fill(large, (byte) ' ');
        large[0] = '{';
        large[large.length - 1] = '}';
        return Stream.of(
                arguments(bytes("{'a':" + "[".repeat(100_000)), "Document nesting depth (65) exceeds the maximum"),
                arguments(bytes("{'a':".repeat(100_000)), "Document nesting depth (65) exceeds the maximum"),
                arguments(bytes("{'" + "a".repeat(10_000) + "':1}"), "Name length (10000) exceeds the maximum"),
                arguments(bytes("{'a':" + "9".repeat(10_000) + "}"), "Number value length (10000) exceeds the maximum"),
                arguments(large, "16777217 bytes, over the limit of 16777216"),
                arguments(bytes("{'a':1,'a':2}"), "Duplicate field 'a'"),
                arguments(bytes("{'a':1}{}"), "not acceptable JSON"),
                arguments(bytes("{'a':1"), "not acceptable JSON"),
                arguments(bytes("[]"), "it is not a JSON object"),
                arguments(bytes(""), "it is not a JSON object"),
                arguments(new byte[] {'{', '"', (byte) 0xFF, '"', ':', '1', '}'}, "it is not UTF-8"),
                arguments("{}".getBytes(StandardCharsets.UTF_16LE), "not acceptable JSON"));
    }

    private static byte[] bytes(String text) {
        return text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @MethodSource("bombs")
    void refuses_what_is_not_a_small_json_object(byte[] bytes, String reason) {
        String message = assertThrows(InvalidInputException.class, () -> HfConfig.parse("config.json", bytes))
                .getMessage();
        assertTrue(message.startsWith("Cannot read config.json: "), message);
        assertTrue(message.contains(reason), message);
        assertEquals(1, message.lines().count(), message);
    }
}
