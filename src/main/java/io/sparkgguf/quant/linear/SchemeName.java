package io.sparkgguf.quant.linear;

import io.sparkgguf.quant.mix.Spelling;
import io.sparkgguf.quant.mix.WeightTypes;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The names of schemes, in any case.
 *
 * <pre>
 * name    = linear | type | "fp16" | "bf16"
 * linear  = "int" bits { "-" part }        each kind of part at most once, in any order
 * bits    = "8" | "6" | "5" | "4" | "3" | "2"
 * part    = "sym" | "asym"                 default sym
 *         | "tensor" | "row" | "g" N       who shares a scale; default tensor; N from 8 to 65536, a multiple of 8
 *         | "minmax"                       the range; the default
 *         | "clamp" A                      not beyond -A and A
 *         | "p" P                          P percent of the weights within, from 50 to 100
 *         | "mse"                          the clip of least (importance-weighted) squared error
 * type    = one of GGUF's that weights can be encoded in: "Q4_K", "F16", ...
 * </pre>
 */
public final class SchemeName {
    private static final Pattern LINEAR = Pattern.compile("int(\\d+)((?:-[^-]*)*)");
    private static final Pattern PART = Pattern.compile("(clamp|g|p)(\\d{1,9}(?:\\.\\d{1,9})?)");
    private static final String GRAMMAR = "intB[-asym][-row|-gN][-clampA|-pP|-mse] with B of 8, 6, 5, 4, 3, 2";
    private static final Map<String, Scheme> USUAL = new LinkedHashMap<>();

    static {
        for (String bits : List.of("8", "6", "5", "4", "3", "2")) {
            for (String parts : List.of(
                    "",
                    "-p99.9",
                    "-mse",
                    "-asym",
                    "-row",
                    "-asym-row",
                    "-row-mse",
                    "-g128",
                    "-asym-g128",
                    "-g128-mse",
                    "-g32",
                    "-asym-g32",
                    "-g32-mse",
                    "-asym-g32-mse")) {
                add(linear("int" + bits + parts));
            }
        }
        add(linear("int8-clamp5"));
        WeightTypes.encodable().forEach(type -> add(new GgufScheme(type)));
    }

    private SchemeName() {}

    private static void add(Scheme scheme) {
        USUAL.put(scheme.label(), scheme);
    }

    /** Those that are tried when nothing is said: a choice of linear schemes at all widths, and GGUF's types. */
    public static List<Scheme> usual() {
        return List.copyOf(USUAL.values());
    }

    /**
     * The scheme of a name.
     *
     * @throws InvalidInputException when there is none, with what exists
     */
    public static Scheme parse(String name) {
        String lower = name.strip().toLowerCase(Locale.ROOT);
        if (lower.startsWith("int")) {
            return linear(lower);
        }
        if (lower.equals("fp16")) {
            return new GgufScheme(BlockType.F16);
        }
        return BlockType.of(lower)
                .filter(WeightTypes::hasEncoder)
                .map(GgufScheme::new)
                .orElseThrow(() -> unknown(name, ""));
    }

    /**
     * Schemes by a list with commas: names, {@code linear}, {@code gguf} or {@code all} of {@link #usual}, and names with
     * {@code *} for any characters, which stand for those of {@link #usual} that match.
     *
     * @return each once, in the order in which it was named first
     * @throws InvalidInputException when a name or pattern stands for nothing
     */
    public static List<Scheme> parseList(String list) {
        Set<Scheme> schemes = new LinkedHashSet<>();
        for (String entry : list.split(",", -1)) {
            String name = entry.strip();
            Stream<Scheme> usual = USUAL.values().stream();
            switch (name.toLowerCase(Locale.ROOT)) {
                case "all" -> usual.forEach(schemes::add);
                case "linear" -> usual.filter(LinearScheme.class::isInstance).forEach(schemes::add);
                case "gguf" -> usual.filter(GgufScheme.class::isInstance).forEach(schemes::add);
                default -> {
                    if (name.contains("*")) {
                        schemes.addAll(matching(name));
                    } else {
                        schemes.add(parse(name));
                    }
                }
            }
        }
        return List.copyOf(schemes);
    }

    private static List<Scheme> matching(String name) {
        Pattern pattern = Pattern.compile(Pattern.quote(name).replace("*", "\\E.*\\Q"), Pattern.CASE_INSENSITIVE);
        List<Scheme> matching = USUAL.values().stream()
                .filter(scheme -> pattern.matcher(scheme.label()).matches())
                .toList();
        if (matching.isEmpty()) {
            throw new InvalidInputException(
                    "Cannot use schemes \"" + name + "\": it matches none of " + String.join(", ", USUAL.keySet()));
        }
        return matching;
    }

    private static InvalidInputException unknown(String name, String reason) {
        return new InvalidInputException("Cannot use scheme \"" + name + "\": "
                + (reason.isEmpty() ? "unknown" + Spelling.suggestion(name, USUAL.keySet()) : reason + ".")
                + " Known: " + GRAMMAR + " (for example int8, int4-g128, int4-asym-g32-mse), fp16, and the types "
                + String.join(
                        ", ",
                        WeightTypes.encodable().stream().map(BlockType::label).toList()));
    }

    private static LinearScheme linear(String name) {
        Matcher matcher = LINEAR.matcher(name);
        if (!matcher.matches()) {
            throw unknown(name, "");
        }
        String[] parts = matcher.group(2).isEmpty()
                ? new String[0]
                : matcher.group(2).substring(1).split("-", -1);
        Parts read = new Parts(name);
        for (String part : parts) {
            read.add(part);
        }
        try {
            return new LinearScheme(
                    matcher.group(1).length() > 2 ? 0 : Integer.parseInt(matcher.group(1)),
                    read.symmetric == null || read.symmetric,
                    read.granularity == null ? Granularity.TENSOR : read.granularity,
                    read.range == null ? RangeRule.MIN_MAX : read.range);
        } catch (IllegalArgumentException e) {
            throw unknown(name, "integers of " + matcher.group(1) + " bits are not among them");
        }
    }

    /** The parts of a name as they are read. */
    private static final class Parts {
        private final String name;
        private final List<String> seen = new ArrayList<>();
        private Boolean symmetric;
        private Granularity granularity;
        private RangeRule range;

        Parts(String name) {
            this.name = name;
        }

        void add(String part) {
            Matcher number = PART.matcher(part);
            try {
                switch (number.matches() ? number.group(1) : part) {
                    case "sym", "asym" -> symmetric = once(symmetric, part, part.equals("sym"));
                    case "tensor" -> granularity = once(granularity, part, Granularity.TENSOR);
                    case "row" -> granularity = once(granularity, part, Granularity.ROW);
                    case "minmax" -> range = once(range, part, RangeRule.MIN_MAX);
                    case "mse" -> range = once(range, part, RangeRule.LEAST_ERROR);
                    case "g" ->
                        granularity =
                                once(granularity, part, Granularity.groups(Integer.parseInt(required(number, part))));
                    case "p" ->
                        range = once(range, part, RangeRule.percentile(Double.parseDouble(required(number, part))));
                    case "clamp" ->
                        range = once(range, part, RangeRule.clamp(Double.parseDouble(required(number, part))));
                    default -> throw unknown(name, "there is no part \"" + part + "\"");
                }
            } catch (IllegalArgumentException e) { // of a number, too
                throw unknown(name, "the number of \"" + part + "\" is out of range");
            }
            seen.add(part);
        }

        private String required(Matcher number, String part) {
            if (!number.matches()) {
                throw unknown(name, "there is no part \"" + part + "\"");
            }
            return number.group(2);
        }

        private <V> V once(V before, String part, V value) {
            if (before != null) {
                throw unknown(name, "\"" + part + "\" contradicts or repeats a part of " + String.join("-", seen));
            }
            return value;
        }
    }
}
