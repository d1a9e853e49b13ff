package io.sparkgguf.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What the name of a repository or folder tells, read as llama.cpp's converter reads it: {@code
 * meta-llama/Llama-3.2-1B-Instruct} has the organization Meta Llama, the base name Llama-3.2, the size 1B and the
 * fine-tune Instruct. Absent is what the name does not tell.
 *
 * @param title the name for people, {@code Llama 3.2 1B Instruct}
 */
record ModelName(
        Optional<String> title,
        Optional<String> organization,
        Optional<String> basename,
        Optional<String> finetune,
        Optional<String> version,
        Optional<String> sizeLabel) {
    static final ModelName NONE = new ModelName(
            Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

    private static final Pattern VERSION = insensitive("(v|iter)?\\d+([.]\\d+)*");
    private static final Pattern TYPE = insensitive("i?q\\d(_\\w)*|b?fp?(16|32)");
    private static final Pattern SIZE =
            insensitive("((A|\\d+x)?\\d+([._]\\d+)?[KMBT]\\d?|small|mini|medium|large|x?xl)");
    private static final Pattern FINETUNE = insensitive("chat|instruct|vision|lora");
    private static final Pattern KEEPS_CASE = Pattern.compile("v\\d+(\\.\\d+)*|\\d.*");

    private enum Kind {
        BASENAME,
        SIZE,
        FINETUNE,
        VERSION,
        TYPE
    }

    private static Pattern insensitive(String expression) {
        return Pattern.compile(expression, Pattern.CASE_INSENSITIVE);
    }

    /** This, with what it does not tell taken from {@code other}. */
    ModelName or(ModelName other) {
        return new ModelName(
                title.or(other::title),
                organization.or(other::organization),
                basename.or(other::basename),
                finetune.or(other::finetune),
                version.or(other::version),
                sizeLabel.or(other::sizeLabel));
    }

    /**
     * Reads {@code organization/name} or {@code name}.
     *
     * @param weights how many weights the model has; a size far from it is taken for a context length
     */
    static ModelName parse(String id, long weights) {
        if (id.indexOf(' ') >= 0) { // a sentence
            return new ModelName(
                    present(title(id)),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty());
        }
        int slash = id.indexOf('/');
        String owner = slash < 0 || id.startsWith(".") ? "" : id.substring(0, slash);
        String name = id.substring(slash + 1);
        List<String> parts = new ArrayList<>(
                Arrays.stream(name.split("-")).filter(part -> !part.isEmpty()).toList());
        List<EnumSet<Kind>> kinds = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            kinds.add(kinds(parts, i, weights));
        }
        dropWordSizes(parts, kinds);
        markBasename(parts, kinds);

        Optional<String> basename = joined(parts, kinds, Kind.BASENAME, null);
        Optional<String> finetune = joined(parts, kinds, Kind.FINETUNE, null);
        Optional<String> version = joined(parts, kinds, Kind.VERSION, Kind.BASENAME);
        Optional<String> size = joined(parts, kinds, Kind.SIZE, null);
        boolean ambiguous = finetune.isEmpty() && version.isEmpty() && size.isEmpty();
        return new ModelName(
                present(title(name)),
                present(title(owner)),
                ambiguous ? Optional.empty() : basename,
                finetune,
                version,
                size);
    }

    /** What part {@code i} is by itself; its spelling is settled on the way. */
    private static EnumSet<Kind> kinds(List<String> parts, int i, long weights) {
        String part = parts.get(i);
        if (VERSION.matcher(part).matches()) {
            return EnumSet.of(Kind.VERSION);
        }
        if (TYPE.matcher(part).matches()) {
            parts.set(i, part.toUpperCase(Locale.ROOT));
            return EnumSet.of(Kind.TYPE);
        }
        if (i > 0 && SIZE.matcher(part).matches()) {
            String size = spelledSize(part);
            int last = size.length() - 1;
            boolean fits = fits(size, weights);
            parts.set(i, fits ? size : size.substring(0, last) + Character.toLowerCase(size.charAt(last)));
            return EnumSet.of(fits ? Kind.SIZE : Kind.FINETUNE);
        }
        return i > 0 && FINETUNE.matcher(part).matches() ? EnumSet.of(Kind.FINETUNE) : EnumSet.noneOf(Kind.class);
    }

    /** {@code 1_5b} is 1.5B, {@code 7b1} is 7.1B. */
    private static String spelledSize(String part) {
        String size = part.replace('_', '.');
        int last = size.length() - 1;
        if (Character.isDigit(size.charAt(last))) {
            size = size.substring(0, last - 1) + "." + size.charAt(last) + size.charAt(last - 1);
            last++;
        }
        return Character.isDigit(size.charAt(last - 1))
                ? size.substring(0, last) + Character.toUpperCase(size.charAt(last))
                : size;
    }

    /** Whether a size in figures is near the true one; sizes in words, of experts or of active weights always are. */
    private static boolean fits(String size, long weights) {
        String figures = size.substring(0, size.length() - 1);
        if (weights == 0 || !figures.matches("\\d+(\\.\\d+)?")) {
            return true;
        }
        double told = Double.parseDouble(figures) * Math.pow(1000, " KMBT".indexOf(size.charAt(size.length() - 1)));
        return Math.abs(told - weights) <= Math.floor(7.0 * weights / 8);
    }

    private static void dropWordSizes(List<String> parts, List<EnumSet<Kind>> kinds) {
        boolean figures = IntStream.range(0, parts.size())
                .filter(i -> kinds.get(i).contains(Kind.SIZE))
                .anyMatch(i -> parts.get(i).chars().anyMatch(Character::isDigit));
        for (int i = 0; figures && i < parts.size(); i++) {
            if (parts.get(i).chars().allMatch(Character::isLetter)) {
                kinds.get(i).remove(Kind.SIZE);
            }
        }
    }

    /** Words and versions from the start are the base name, up to a trailing version; later unmarked words a fine-tune. */
    private static void markBasename(List<String> parts, List<EnumSet<Kind>> kinds) {
        boolean atStart = true;
        for (int i = 0; i < parts.size(); i++) {
            EnumSet<Kind> kind = kinds.get(i);
            boolean word = kind.isEmpty() && Character.isLetter(parts.get(i).charAt(0));
            atStart = atStart && (word || kind.contains(Kind.VERSION));
            if (atStart) {
                kind.add(Kind.BASENAME);
            } else if (kind.isEmpty()) {
                kind.add(Kind.FINETUNE);
            }
        }
        for (int i = parts.size() - 1;
                i >= 0 && kinds.get(i).contains(Kind.BASENAME) && kinds.get(i).size() > 1;
                i--) {
            kinds.get(i).remove(Kind.BASENAME);
        }
    }

    /** The parts of one kind that are not of another (null: of any), a size once. */
    private static Optional<String> joined(List<String> parts, List<EnumSet<Kind>> kinds, Kind wanted, Kind unwanted) {
        Stream<String> chosen = IntStream.range(0, parts.size())
                .filter(i -> kinds.get(i).contains(wanted))
                .filter(i -> unwanted == null || !kinds.get(i).contains(unwanted))
                .mapToObj(parts::get);
        return present((wanted == Kind.SIZE ? chosen.distinct() : chosen).collect(Collectors.joining("-")));
    }

    /** Words with a capital, unless they have one already or are a version. */
    private static String title(String name) {
        return Arrays.stream(name.replace('-', ' ').trim().split("\\s+"))
                .map(word -> isLower(word) && !KEEPS_CASE.matcher(word).matches() ? capitalized(word) : word)
                .collect(Collectors.joining(" "));
    }

    private static boolean isLower(String word) {
        return word.chars().anyMatch(Character::isLowerCase) && word.chars().noneMatch(Character::isUpperCase);
    }

    private static String capitalized(String word) {
        StringBuilder title = new StringBuilder();
        for (int i = 0; i < word.length(); i++) {
            boolean inside = i > 0 && Character.isLetter(word.charAt(i - 1));
            title.append(inside ? word.charAt(i) : Character.toTitleCase(word.charAt(i)));
        }
        return title.toString();
    }

    private static Optional<String> present(String text) {
        return Optional.of(text).filter(value -> !value.isEmpty());
    }
}
