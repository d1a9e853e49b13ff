package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;

/**
 * The tensors that compete for the bytes of a file of given size: which types each may get, and what they get.
 *
 * <p>A tensor competes when nothing else decides its type: neither an option that names it, nor that such tensors are never
 * quantized, nor that its weights are ternary, nor that no candidate's blocks divide its rows. The others have the type
 * that they would have without a target, by the mix of {@code --type} for example.
 */
public final class Contest {
    private static final int ATTEMPTS = 64;

    private final SizeTarget target;
    private final TypeOptions options;
    private final TypeChoices before;
    private final Map<String, TypeChoice> byName = new LinkedHashMap<>();
    private final List<Competitor> competitors;

    /**
     * Tensors that get one type.
     *
     * @param name the tensor's, or those of tied ones joined by {@code +}
     * @param types that they may get, by bits upwards
     */
    public record Competitor(String name, List<String> tensors, List<BlockType> types) {}

    /** What a type costs a tensor, on a scale that all tensors share, so that errors add up. */
    public interface Errors {
        double of(String tensor, BlockType type);
    }

    /**
     * What came of it.
     *
     * @param size of the result as the target counts it
     * @param limit what it could have been
     * @param stop why no more bytes were used, for people
     */
    public record Result(TypeChoices choices, Allocation allocation, long size, long limit, String stop) {}

    private Contest(SizeTarget target, TypeOptions options, TypeChoices before, Set<String> ternary) {
        this.target = target;
        this.options = options;
        this.before = before;
        before.choices().forEach(choice -> byName.put(choice.name(), choice));
        requireFound("--min-type", target.floors());
        requireFound("--max-type", target.ceilings());
        competitors = tie(ternary);
        if (competitors.isEmpty()) {
            throw new InvalidInputException("Cannot choose types by " + target.option()
                    + ": all tensors have a type by other options, or are never quantized");
        }
    }

    /** The options with the type that the file goes by, where none was named. */
    public static TypeOptions named(TypeOptions options, long weights) {
        SizeTarget target = options.target();
        return target == null || target.typeGiven()
                ? options
                : options.withFileType(SizeTarget.nearest(target.bitsPerWeight(weights)));
    }

    /**
     * Finds the tensors that compete.
     *
     * @param options with a target, and the file's type
     * @param ternary names of tensors whose weights are -s, 0 and s
     * @throws InvalidInputException when floors, ceilings, ties and types given to tensors contradict each other, or match
     *     nothing
     */
    public static Contest of(List<InputTensor> tensors, ModelFacts facts, TypeOptions options, Set<String> ternary) {
        options.fileType().requireAvailable();
        TypeChoices before = TypeSelector.choose(tensors, facts, options.withoutRefusals());
        return new Contest(options.target(), options, before, ternary);
    }

    private void requireFound(String option, List<TypeOverride> limits) {
        for (TypeOverride limit : limits) {
            if (byName.values().stream().noneMatch(choice -> limit.matches(choice.name()) && !isKept(choice))) {
                throw new InvalidInputException("Cannot use " + option + " " + limit
                        + ": the pattern is found in the name of no tensor that is quantized");
            }
        }
    }

    private static boolean isKept(TypeChoice choice) {
        return choice.rule() == Rule.KEPT || choice.rule() == Rule.COPY;
    }

    public List<Competitor> competitors() {
        return competitors;
    }

    /** The types with each tensor as small as it may be. */
    public TypeChoices smallest() {
        return choices(extreme(true));
    }

    private List<Competitor> tie(Set<String> ternary) {
        Map<String, List<String>> groups = new LinkedHashMap<>();
        for (TypeChoice choice : before.choices()) {
            if (competes(choice, ternary)) {
                groups.computeIfAbsent(group(choice.name()), key -> new ArrayList<>())
                        .add(choice.name());
            }
        }
        for (String tie : target.ties()) {
            Pattern pattern = SizeTarget.pattern(tie);
            if (groups.values().stream()
                    .noneMatch(names ->
                            names.size() > 1 && pattern.matcher(names.get(0)).find())) {
                throw new InvalidInputException(
                        "Cannot use --tie " + tie + ": the pattern is found in no two tensors of a block that compete");
            }
        }
        List<Competitor> all = new ArrayList<>();
        for (List<String> names : groups.values()) {
            List<BlockType> types = new ArrayList<>(types(names.get(0)));
            names.forEach(name -> types.retainAll(types(name)));
            if (types.isEmpty()) {
                throw new InvalidInputException("Cannot tie " + String.join(", ", names)
                        + ": floors, ceilings and rows leave no type that all of them may have");
            }
            all.add(new Competitor(String.join("+", names), List.copyOf(names), List.copyOf(types)));
        }
        return List.copyOf(all);
    }

    /** The same for tensors that are tied. */
    private String group(String name) {
        OptionalInt layer = TensorOrder.layer(name);
        for (int i = 0; i < target.ties().size() && layer.isPresent(); i++) {
            if (SizeTarget.pattern(target.ties().get(i)).matcher(name).find()) {
                return layer.getAsInt() + ":" + i;
            }
        }
        return name;
    }

    private boolean competes(TypeChoice choice, Set<String> ternary) {
        if (isKept(choice)) {
            return false;
        }
        boolean free = choice.rule() == Rule.DEFAULT || choice.rule() == Rule.MIX || choice.rule() == Rule.FALLBACK;
        boolean fitting = target.candidates().stream()
                .anyMatch(type -> ShapeFallback.fits(choice.shape().columns(), type));
        if (free && fitting && !ternary.contains(choice.name())) {
            if (types(choice.name()).isEmpty()) {
                throw contradiction(choice.name(), "none of its candidate types is");
            }
            return true;
        }
        if (!within(choice.name(), choice.type())) {
            throw contradiction(choice.name(), choice.type() + ", which it has by " + choice.detail() + ", is not");
        }
        return false;
    }

    private InvalidInputException contradiction(String name, String reason) {
        TypeOverride floor = first(target.floors(), name);
        TypeOverride ceiling = first(target.ceilings(), name);
        List<String> given = new ArrayList<>();
        if (floor != null) {
            given.add("--min-type " + floor);
        }
        if (ceiling != null) {
            given.add("--max-type " + ceiling);
        }
        return new InvalidInputException(
                "Cannot choose a type for " + name + ": " + reason + " within " + String.join(" and ", given));
    }

    private static TypeOverride first(List<TypeOverride> limits, String name) {
        return limits.stream().filter(limit -> limit.matches(name)).findFirst().orElse(null);
    }

    private boolean within(String name, BlockType type) {
        TypeOverride floor = first(target.floors(), name);
        TypeOverride ceiling = first(target.ceilings(), name);
        return (floor == null || type.bitsPerElement() >= floor.type().bitsPerElement())
                && (ceiling == null || type.bitsPerElement() <= ceiling.type().bitsPerElement());
    }

    private List<BlockType> types(String name) {
        long columns = byName.get(name).shape().columns();
        boolean large = target.candidates().stream()
                .anyMatch(type -> type.blockElements() > 32 && ShapeFallback.fits(columns, type));
        return target.candidates().stream()
                .filter(type -> ShapeFallback.fits(columns, type) && within(name, type))
                .filter(type -> !(large && isForOddRows(type)))
                .toList();
    }

    /** Whether a type is a candidate by default, but only for rows that super-blocks do not divide. */
    private boolean isForOddRows(BlockType type) {
        return target.candidates().size() == SizeTarget.CANDIDATES.size()
                && target.candidates().containsAll(SizeTarget.CANDIDATES)
                && (type == BlockType.IQ4_NL || type == BlockType.Q5_0 || type == BlockType.Q5_1);
    }

    /**
     * Refuses a target that no choice meets, and sources that may not be quantized; knows no errors yet.
     *
     * @param fileBytes the size of all files with these types
     */
    public void requireReachable(ToLongFunction<TypeChoices> fileBytes) {
        TypeSelector.check(smallest(), options);
        long smallest = size(smallest(), fileBytes);
        long limit = limit();
        if (smallest > limit) {
            long largest = size(choices(extreme(false)), fileBytes);
            throw new InvalidInputException(
                    target.bytes() > 0
                            ? "Cannot make a file of at most %,d bytes: with the types allowed it has between %,d and %,d bytes"
                                    .formatted(limit, smallest, largest)
                            : "Cannot make a file of at most %s bits per weight: with the types allowed it has between %.3f and %.3f"
                                    .formatted(target.bitsPerWeight(), bits(smallest), bits(largest)));
        }
    }

    private double bits(long bytes) {
        return 8.0 * bytes / Math.max(1, before.elements());
    }

    private Map<String, BlockType> extreme(boolean smallest) {
        Map<String, BlockType> types = new LinkedHashMap<>();
        for (Competitor competitor : competitors) {
            BlockType type =
                    competitor.types().get(smallest ? 0 : competitor.types().size() - 1);
            competitor.tensors().forEach(tensor -> types.put(tensor, type));
        }
        return types;
    }

    private long limit() {
        return target.bytes() > 0 ? target.bytes() : (long) Math.floor(target.bitsPerWeight() * before.elements() / 8);
    }

    /** Bytes of a choice as the target counts them. */
    private long size(TypeChoices choices, ToLongFunction<TypeChoices> fileBytes) {
        return target.bytes() > 0 ? fileBytes.applyAsLong(choices) : choices.bytes();
    }

    private TypeChoices choices(Map<String, BlockType> types) {
        List<TypeChoice> chosen = new ArrayList<>();
        for (TypeChoice choice : before.choices()) {
            BlockType type = types.get(choice.name());
            chosen.add(
                    type == null
                            ? choice
                            : new TypeChoice(
                                    choice.name(),
                                    choice.shape(),
                                    choice.source(),
                                    type,
                                    type,
                                    Rule.BUDGET,
                                    "least error by " + target.option()));
        }
        return new TypeChoices(chosen, before.warnings());
    }

    /**
     * Chooses the types of least total error.
     *
     * @param alignment of tensors in the file, bytes
     * @param fileBytes the size of all files with these types
     */
    public Result choose(Errors errors, long alignment, ToLongFunction<TypeChoices> fileBytes) {
        requireReachable(fileBytes);
        long padding = target.bytes() > 0 ? alignment : 1;
        List<Budget.Group> groups = competitors.stream()
                .map(competitor -> group(competitor, errors, padding))
                .toList();
        Map<String, BlockType> smallest = extreme(true);
        long beside = size(choices(smallest), fileBytes) - padded(smallest, padding);
        long limit = limit();
        long room = limit - beside;
        for (int i = 0; i < ATTEMPTS; i++) { // more than once only where the number of files depends on their types
            Allocation allocation = Allocation.of(new Budget(groups, room));
            TypeChoices chosen = choices(types(allocation));
            long size = size(chosen, fileBytes);
            if (size <= limit) {
                TypeSelector.check(chosen, options);
                requireNoFallback(chosen);
                return new Result(chosen, allocation, size, limit, stop(allocation, groups, limit - size));
            }
            room -= size - limit;
        }
        throw new InvalidInputException(
                "Cannot make files of at most %,d bytes in this split: give one of more bytes".formatted(limit));
    }

    private Budget.Group group(Competitor competitor, Errors errors, long padding) {
        List<Budget.Candidate> candidates = new ArrayList<>();
        for (BlockType type : competitor.types()) {
            long bytes = 0;
            double error = 0;
            for (String tensor : competitor.tensors()) {
                bytes = Math.addExact(bytes, bytes(tensor, type, padding));
                error += errors.of(tensor, type);
            }
            candidates.add(new Budget.Candidate(type.label(), bytes, error));
        }
        return new Budget.Group(competitor.name(), candidates);
    }

    private long bytes(String tensor, BlockType type, long padding) {
        long bytes = type.bytes(byName.get(tensor).shape().elements());
        return Math.addExact(bytes, padding - 1) / padding * padding;
    }

    private long padded(Map<String, BlockType> types, long padding) {
        return types.entrySet().stream()
                .mapToLong(entry -> bytes(entry.getKey(), entry.getValue(), padding))
                .reduce(0, Math::addExact);
    }

    private Map<String, BlockType> types(Allocation allocation) {
        Map<String, BlockType> types = new LinkedHashMap<>();
        for (int i = 0; i < competitors.size(); i++) {
            BlockType type =
                    BlockType.of(allocation.choices().get(i).candidate().type()).orElseThrow();
            competitors.get(i).tensors().forEach(tensor -> types.put(tensor, type));
        }
        return types;
    }

    private void requireNoFallback(TypeChoices chosen) {
        if (options.noFallback() && !chosen.fallbacks().isEmpty()) {
            TypeChoice first = chosen.fallbacks().get(0);
            throw new InvalidInputException("Cannot quantize " + first.name() + " to " + first.wanted()
                    + ": its rows have " + first.shape().columns() + " columns, and --no-fallback forbids "
                    + first.type() + " instead");
        }
    }

    /** What kept the rest from being used. */
    private static String stop(Allocation allocation, List<Budget.Group> groups, long left) {
        String nearest = null;
        long least = Long.MAX_VALUE;
        for (int i = 0; i < groups.size(); i++) {
            Budget.Candidate chosen = allocation.choices().get(i).candidate();
            for (Budget.Candidate other : groups.get(i).candidates()) {
                long more = other.bytes() - chosen.bytes();
                if (more > 0 && more < least && other.error() < chosen.error()) {
                    least = more;
                    nearest = "%s from %s to %s".formatted(groups.get(i).name(), chosen.type(), other.type());
                }
            }
        }
        return nearest == null
                ? "no larger type has less error"
                : least > left
                        ? "%,d bytes are left; the smallest step, %s, needs %,d".formatted(left, nearest, least)
                        : "%,d bytes are left; no use of them lowers the error".formatted(left);
    }
}
