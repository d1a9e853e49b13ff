package io.sparkgguf.quant.linear;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SchemeNameTest {

    @ParameterizedTest
    @CsvSource({
        "int8, int8",
        "INT4-G128, int4-g128",
        "int4-mse-g32-asym, int4-asym-g32-mse",
        "int8-tensor-clamp5, int8-clamp5",
        "int8-sym-row-minmax, int8-row",
        "int3-row-p99.90, int3-row-p99.9",
        "int2-clamp0.25, int2-clamp0.25",
        "q4_k, Q4_K",
        "fp16, F16",
        "bf16, BF16"
    })
    void namesHaveOneSpellingEach(String name, String label) {
        assertEquals(label, SchemeName.parse(name).label());
        assertEquals(SchemeName.parse(name), SchemeName.parse(label));
    }

    @Test
    void partsMeanWhatTheySay() {
        assertEquals(
                new LinearScheme(4, false, Granularity.groups(32), RangeRule.LEAST_ERROR),
                SchemeName.parse("int4-asym-g32-mse"));
        assertEquals(
                new LinearScheme(8, true, Granularity.TENSOR, RangeRule.clamp(5)), SchemeName.parse("int8-clamp5"));
        assertEquals(
                new LinearScheme(5, true, Granularity.ROW, RangeRule.percentile(99.9)),
                SchemeName.parse("int5-row-p99.9"));
        assertEquals(new GgufScheme(BlockType.TQ2_0), SchemeName.parse("tq2_0"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "int7          | integers of 7 bits are not among them. Known: int",
                "int16         | integers of 16 bits are not among them. Known: int",
                "int99999999999| integers of 99999999999 bits are not among them. Known: int",
                "int4-g33      | the number of \"g33\" is out of range. Known: int",
                "int4-g32.5    | the number of \"g32.5\" is out of range. Known: int",
                "int4-p10      | the number of \"p10\" is out of range. Known: int",
                "int4-clamp0   | the number of \"clamp0\" is out of range. Known: int",
                "int4-clamp    | there is no part \"clamp\". Known: int",
                "int4-         | there is no part \"\". Known: int",
                "int4-zig      | there is no part \"zig\". Known: int",
                "int4-row-g32  | \"g32\" contradicts or repeats a part of row. Known: int",
                "int4-mse-p99  | \"p99\" contradicts or repeats a part of mse. Known: int",
                "int           | unknown",
                "Q4_KK         | unknown; did you mean Q4_K? Known: int",
                "IQ2_XS        | unknown",
                "F64           | unknown",
                "''            | unknown. Known: int"
            })
    void whatIsNoSchemeIsToldWithWhatExists(String name, String reason) {
        InvalidInputException refused = assertThrows(InvalidInputException.class, () -> SchemeName.parse(name));
        assertTrue(
                refused.getMessage().startsWith("Cannot use scheme \"" + name + "\": " + reason), refused.getMessage());
        assertTrue(refused.getMessage().endsWith("Q1_0, Q2_0"), refused.getMessage());
    }

    @Test
    void listsTakeNamesGroupsAndPatterns() {
        List<Scheme> usual = SchemeName.usual();
        assertEquals(usual, SchemeName.parseList("all"));
        assertEquals(usual, SchemeName.parseList("linear, gguf"));
        assertEquals(
                List.of("int4-g64", "Q4_K", "Q5_K"),
                SchemeName.parseList("int4-g64,Q4_K,q4_k,Q5_K").stream()
                        .map(Scheme::label)
                        .toList());
        assertEquals(
                usual.stream()
                        .map(Scheme::label)
                        .filter(label -> label.startsWith("int3") && label.endsWith("mse"))
                        .toList(),
                SchemeName.parseList("INT3*mse").stream().map(Scheme::label).toList());
        InvalidInputException none =
                assertThrows(InvalidInputException.class, () -> SchemeName.parseList("int8,int9*"));
        assertTrue(
                none.getMessage().startsWith("Cannot use schemes \"int9*\": it matches none of int8, "),
                none.getMessage());
    }
}
