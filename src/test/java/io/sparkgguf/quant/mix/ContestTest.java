package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Architectures.Dimensions;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Types by the size of a file: what competes for the bytes, and that no byte too many is spent. */
class ContestTest {
    private static final Dimensions MODEL = new Dimensions("llama", 1024, 2048, 4, 8, 4);
    private static final long HEADER = 1234;

    private static SizeTarget target(long bytes, double bits) {
        return new SizeTarget(
                bytes, bits, true, SizeTarget.CANDIDATES, List.of(), List.of(), List.of(), List.of(), 4096, null);
    }

    private static SizeTarget limited(long bytes, List<String> floors, List<String> ceilings, List<String> ties) {
        return new SizeTarget(
                bytes,
                0,
                true,
                SizeTarget.CANDIDATES,
                floors.stream().map(TypeOverride::parse).toList(),
                ceilings.stream().map(TypeOverride::parse).toList(),
                ties,
                List.of(),
                4096,
                null);
    }

    private static TypeOptions options(SizeTarget target) {
        return TypeOptions.builder(FileType.Q4_K_M).target(target).build();
    }

    private static Contest contest(Dimensions model, TypeOptions options, String... ternary) {
        return Contest.of(Architectures.tensors(model), model.facts(), options, Set.of(ternary));
    }

    /** A file with a header, whose tensors begin at multiples of 32. */
    private static long fileBytes(TypeChoices choices) {
        return HEADER
                + choices.choices().stream()
                        .mapToLong(choice -> (choice.bytes() + 31) / 32 * 32)
                        .sum();
    }

    /** Errors as rounding makes them, a quarter for each bit, and worth more or less from tensor to tensor. */
    private static Contest.Errors errors(long seed) {
        Map<String, Double> worth = new HashMap<>();
        Random random = new Random(seed);
        return (tensor, type) -> worth.computeIfAbsent(tensor, name -> Math.exp(2 * random.nextGaussian()))
                * Math.pow(4, -type.bitsPerElement());
    }

    private static Contest.Result choose(Contest contest, long seed) {
        return contest.choose(errors(seed), 32, ContestTest::fileBytes);
    }

    private static Map<String, BlockType> types(TypeChoices choices) {
        Map<String, BlockType> types = new HashMap<>();
        choices.choices().forEach(choice -> types.put(choice.name(), choice.type()));
        return types;
    }

    private static String refusal(Runnable what) {
        return assertThrows(InvalidInputException.class, what::run).getMessage();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void aFileIsNeverLargerThanAskedAndHardlySmaller(long seed) {
        Random random = new Random(seed);
        long smallest = fileBytes(contest(MODEL, options(target(1, 0))).smallest());
        for (int i = 0; i < 8; i++) {
            long limit = (long) (smallest * (1 + 1.5 * random.nextDouble()));
            Contest.Result result = choose(contest(MODEL, options(target(limit, 0))), seed);
            assertEquals(fileBytes(result.choices()), result.size(), "seed " + seed);
            assertEquals(limit, result.limit());
            assertTrue(result.size() <= limit, "seed " + seed + ": " + result.size() + " > " + limit);
            assertTrue(result.size() >= 0.995 * limit, "seed " + seed + ": " + result.size() + " of " + limit);
            assertEquals(
                    types(result.choices()),
                    types(choose(contest(MODEL, options(target(limit, 0))), seed)
                            .choices()));
        }
    }

    @Test
    void bitsPerWeightCountTensorsWithoutHeaderAndPadding() {
        Contest.Result result = choose(contest(MODEL, options(target(0, 4.25))), 1);
        assertEquals(result.choices().bytes(), result.size());
        double bits = result.choices().bitsPerWeight();
        assertTrue(bits <= 4.25 && bits >= 4.25 * 0.995, "bits " + bits);
    }

    @Test
    void bytesThatCannotBeUsedAreExplained() {
        Contest.Result all = choose(contest(MODEL, options(target(1L << 40, 0))), 1);
        assertEquals("no larger type has less error", all.stop());
        for (TypeChoice choice : all.choices().choices()) {
            assertEquals(choice.shape().rank() < 2 ? F32 : Q8_0, choice.type(), choice.name());
        }
        long almost = all.size() - 1;
        Contest.Result less = choose(contest(MODEL, options(target(almost, 0))), 1);
        assertTrue(less.size() < almost);
        assertTrue(
                less.stop().matches("[\\d,]+ bytes are left; the smallest step, \\S+ from Q6_K to Q8_0, needs [\\d,]+"),
                less.stop());
    }

    @Test
    void whatOptionsDecideDoesNotCompete() {
        TypeOptions options = TypeOptions.builder(FileType.Q4_K_M)
                .target(target(0, 4))
                .outputTensorType(Q6_K)
                .overrides(List.of(TypeOverride.parse("blk.1.attn_v=Q5_K")))
                .build();
        Contest contest = contest(MODEL, options, "blk.2.ffn_up.weight");
        List<String> competing = contest.competitors().stream()
                .flatMap(competitor -> competitor.tensors().stream())
                .toList();
        assertEquals(4 * 7 + 2 - 3, competing.size(), competing.toString());
        TypeChoices choices = choose(contest, 2).choices();
        assertEquals(
                Rule.OUTPUT_OPTION,
                Architectures.choiceOf(choices, "output.weight").rule());
        assertEquals(
                Q5_K, Architectures.choiceOf(choices, "blk.1.attn_v.weight").type());
        assertEquals(
                Rule.DEFAULT,
                Architectures.choiceOf(choices, "blk.2.ffn_up.weight").rule());
        assertEquals(
                Rule.KEPT,
                Architectures.choiceOf(choices, "blk.0.attn_norm.weight").rule());
        TypeChoice chosen = Architectures.choiceOf(choices, "blk.0.attn_v.weight");
        assertEquals(Rule.BUDGET, chosen.rule());
        assertEquals("least error by --target-bpw 4.0", chosen.detail());
    }

    @Test
    void floorsAndCeilingsHoldAndTheFirstPatternCounts() {
        long limit = fileBytes(choose(contest(MODEL, options(target(0, 4))), 3).choices());
        SizeTarget target = limited(
                limit, List.of("blk.3.attn_v=Q6_K", "attn_v=Q4_K"), List.of("ffn=IQ4_XS", "." + "=Q6_K"), List.of());
        Map<String, BlockType> types =
                types(choose(contest(MODEL, options(target)), 3).choices());
        types.forEach((name, type) -> {
            double bits = type.bitsPerElement();
            if (name.contains("attn_v.")) {
                assertTrue(bits >= (name.startsWith("blk.3") ? Q6_K : Q4_K).bitsPerElement(), name + " " + type);
            }
            if (name.contains("ffn_down")) {
                assertTrue(bits <= IQ4_XS.bitsPerElement(), name + " " + type);
            }
            assertTrue(type == F32 || bits <= Q6_K.bitsPerElement(), name + " " + type);
        });
    }

    @Test
    void tiedTensorsOfABlockGetOneType() {
        long limit =
                fileBytes(choose(contest(MODEL, options(target(0, 4.5))), 4).choices());
        List<String> ties = List.of("attn_[qkv]\\.", "ffn_(gate|up)\\.");
        Contest contest = contest(MODEL, options(limited(limit, List.of("attn_v=Q4_K"), List.of(), ties)));
        assertEquals(4 * 4 + 2, contest.competitors().size());
        Contest.Result result = choose(contest, 4);
        Map<String, BlockType> types = types(result.choices());
        List<BlockType> blocks = new ArrayList<>();
        for (int block = 0; block < 4; block++) {
            BlockType q = types.get("blk." + block + ".attn_q.weight");
            blocks.add(q);
            assertEquals(q, types.get("blk." + block + ".attn_k.weight"));
            assertEquals(q, types.get("blk." + block + ".attn_v.weight"));
            assertTrue(q.bitsPerElement() >= Q4_K.bitsPerElement(), "the floor of one is the floor of all");
            assertEquals(types.get("blk." + block + ".ffn_gate.weight"), types.get("blk." + block + ".ffn_up.weight"));
        }
        assertTrue(Set.copyOf(blocks).size() > 1, "ties do not reach over blocks: " + blocks);
        assertTrue(result.size() <= limit);
    }

    /** Rows of 160 columns have only blocks of 32, rows of 80 none. */
    @Test
    void rowsDecideWhatCompetes() {
        List<InputTensor> tensors = new ArrayList<>();
        Architectures.matrix(tensors, F16, "blk.0.attn_q.weight", 256, 160);
        Architectures.matrix(tensors, F16, "blk.0.attn_k.weight", 256, 80);
        Architectures.matrix(tensors, F16, "blk.0.attn_v.weight", 256, 256);
        Contest contest = Contest.of(tensors, MODEL.facts(), options(target(0, 8)), Set.of());
        Map<String, List<BlockType>> offered = new HashMap<>();
        contest.competitors().forEach(competitor -> offered.put(competitor.name(), competitor.types()));
        assertEquals(
                Map.of(
                        "blk.0.attn_q.weight", List.of(IQ4_NL, Q5_0, Q5_1, Q8_0),
                        "blk.0.attn_v.weight", List.of(Q2_K, Q3_K, IQ4_XS, Q4_K, Q5_K, Q6_K, Q8_0)),
                offered);
        TypeChoices choices = choose(contest, 1).choices();
        assertEquals(F16, Architectures.choiceOf(choices, "blk.0.attn_k.weight").type());
        TypeOptions strict = TypeOptions.builder(FileType.Q4_K_M)
                .target(target(0, 8))
                .noFallback(true)
                .build();
        Contest refused = Contest.of(tensors, MODEL.facts(), strict, Set.of());
        assertEquals(
                "Cannot quantize blk.0.attn_k.weight to Q4_K: its rows have 80 columns, and --no-fallback forbids F16 instead",
                refusal(() -> choose(refused, 1)));
    }

    @ParameterizedTest
    @CsvSource({"2.0, Q2_K", "3.7, Q3_K_S", "4.25, Q3_K_M", "4.7, Q4_K_S", "5.6, Q5_K_S", "8.4, Q6_K", "20, Q8_0"})
    void aFileGoesByTheMixThatIsNotLarger(double bits, FileType expected) {
        UnaryOperator<SizeTarget> unnamed = of -> new SizeTarget(
                of.bytes(),
                of.bitsPerWeight(),
                false,
                of.candidates(),
                List.of(),
                List.of(),
                List.of(),
                List.of(),
                1,
                null);
        assertEquals(
                expected,
                Contest.named(options(unnamed.apply(target(0, bits))), 1000).fileType());
        long bytes = (long) Math.ceil(bits * 1000 / 8);
        assertEquals(
                expected,
                Contest.named(options(unnamed.apply(target(bytes, 0))), 1000).fileType());
        assertEquals(
                FileType.Q4_K_M, Contest.named(options(target(0, bits)), 1000).fileType());
    }

    @Test
    void aSizeThatCannotBeReachedIsToldWithTheRange() {
        Contest contest = contest(MODEL, options(target(1000, 0)));
        long smallest = fileBytes(contest.smallest());
        long largest = fileBytes(choose(contest(MODEL, options(target(1L << 40, 0))), 1)
                .choices());
        assertEquals(
                "Cannot make a file of at most 1,000 bytes: with the types allowed it has between %,d and %,d bytes"
                        .formatted(smallest, largest),
                refusal(() -> contest.requireReachable(ContestTest::fileBytes)));
        contest(MODEL, options(target(smallest, 0))).requireReachable(ContestTest::fileBytes);
        assertEquals(
                smallest,
                choose(contest(MODEL, options(target(smallest, 0))), 1).size());
        String bits = refusal(() -> contest(MODEL, options(target(0, 1.5))).requireReachable(ContestTest::fileBytes));
        assertTrue(
                bits.matches("Cannot make a file of at most 1.5 bits per weight: with the types allowed it has between"
                        + " 2\\.6\\d\\d and 8\\.5\\d\\d"),
                bits);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "xyz=Q4_K | | | Cannot use --min-type xyz=Q4_K: the pattern is found in the name of no tensor that is quantized",
                " | attn_norm=Q4_K | | Cannot use --max-type attn_norm=Q4_K: the pattern is found in the name of no tensor"
                        + " that is quantized",
                " | | attn_z | Cannot use --tie attn_z: the pattern is found in no two tensors of a block that compete",
                " | | ffn_up | Cannot use --tie ffn_up: the pattern is found in no two tensors of a block that compete",
                "attn_q=Q6_K | attn_q=Q3_K | | Cannot choose a type for blk.0.attn_q.weight: none of its candidate types"
                        + " is within --min-type attn_q=Q6_K and --max-type attn_q=Q3_K",
                "attn_q=F16 | | | Cannot choose a type for blk.0.attn_q.weight: none of its candidate types is"
                        + " within --min-type attn_q=F16",
                "attn_v=Q6_K | | | Cannot choose a type for blk.1.attn_v.weight: Q5_K, which it has by --tensor-type"
                        + " blk.1.attn_v=Q5_K, is not within --min-type attn_v=Q6_K",
                "attn_q=Q6_K | attn_k=Q3_K | attn_[qk] | Cannot tie blk.0.attn_k.weight, blk.0.attn_q.weight: floors,"
                        + " ceilings and rows leave no type that all of them may have",
            })
    void limitsThatContradictEachOtherAreRefused(String floor, String ceiling, String tie, String reason) {
        SizeTarget target = limited(1 << 30, list(floor), list(ceiling), list(tie));
        TypeOptions options = TypeOptions.builder(FileType.Q4_K_M)
                .target(target)
                .overrides(List.of(TypeOverride.parse("blk.1.attn_v=Q5_K")))
                .build();
        assertEquals(reason, refusal(() -> contest(MODEL, options)));
    }

    private static List<String> list(String text) {
        return text == null ? List.of() : Arrays.asList(text.split(" "));
    }

    @Test
    void whatHasNoSizeToChooseIsRefused() {
        String target = "Cannot combine --target-bpw 4.0 with ";
        assertEquals(
                target + "--pure: one chooses each tensor's type, the other gives all the same",
                refusal(() -> TypeOptions.builder(FileType.Q4_K_M)
                        .target(target(0, 4))
                        .pure(true)
                        .build()));
        assertEquals(
                target + "type F16: it has one size; name a quantized type, or none",
                refusal(() ->
                        TypeOptions.builder(FileType.F16).target(target(0, 4)).build()));
        assertEquals("Cannot combine --target-size with --target-bpw: each sets the size", refusal(() -> target(1, 4)));
        assertEquals("Cannot aim at 0.0 bits per weight: give more than 0 and at most 64", refusal(() -> target(0, 0)));
        assertEquals(
                "Cannot choose types by --target-bpw 4.0: all tensors have a type by other options, or are never"
                        + " quantized",
                refusal(() -> contest(
                        MODEL,
                        TypeOptions.builder(FileType.Q4_K_M)
                                .target(target(0, 4))
                                .overrides(List.of(TypeOverride.parse(".=Q4_K")))
                                .build())));
        assertEquals(
                "Cannot quantize output.weight to Q2_K: it is quantized to Q8_0 already, and twice costs accuracy;"
                        + " --allow-requantize does it nevertheless",
                refusal(() -> Contest.of(
                                Architectures.tensors(MODEL, Q8_0), MODEL.facts(), options(target(0, 4)), Set.of())
                        .requireReachable(ContestTest::fileBytes)));
    }
}
