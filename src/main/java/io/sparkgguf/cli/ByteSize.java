package io.sparkgguf.cli;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Sizes as people write them. */
final class ByteSize {
    private static final Pattern FORM = Pattern.compile("(\\d+)([kmgt]?)(i?b)?", Pattern.CASE_INSENSITIVE);

    private static final Pattern FILE_FORM =
            Pattern.compile("(\\d+(?:\\.\\d+)?)([kmgt]?)(ib?|b?)", Pattern.CASE_INSENSITIVE);

    private ByteSize() {}

    /** Memory sizes as Spark and the JVM read them: {@code 64m} is 64 * 1024 * 1024. */
    static final class Binary implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            return parse(text, 1024);
        }
    }

    /** Heaps as Spark's own options have them: a number alone is of MiB. */
    static final class Heap implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            return parse(text.strip().matches("\\d+") ? text.strip() + "m" : text, 1024);
        }
    }

    /** File sizes as llama-gguf-split reads them: {@code 2G} is 2 * 1000 * 1000 * 1000. */
    static final class Decimal implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            return parse(text, 1000);
        }
    }

    /** Sizes of files with or without a fraction: {@code 3.5GiB} is binary, {@code 3.5GB} and {@code 3.5G} decimal. */
    static final class File implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            Matcher match = FILE_FORM.matcher(text.strip());
            boolean understood = match.matches()
                    && !(match.group(2).isEmpty() && !match.group(3).matches("(?i)b?"))
                    && !(match.group(2).isEmpty() && match.group(1).contains("."));
            if (!understood || match.group(1).matches("[0.]+")) {
                throw new TypeConversionException(
                        "\"" + text + "\" is not the size of a file such as 24GiB, 3.5GB or 4364960");
            }
            long base = match.group(3).toLowerCase(Locale.ROOT).startsWith("i") ? 1024 : 1000;
            int power =
                    match.group(2).isEmpty() ? 0 : "kmgt".indexOf(match.group(2).toLowerCase(Locale.ROOT)) + 1;
            BigDecimal bytes = new BigDecimal(match.group(1))
                    .multiply(BigDecimal.valueOf(base).pow(power));
            if (bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) > 0) {
                throw new TypeConversionException("\"" + text + "\" is too large a size");
            }
            return bytes.longValue();
        }
    }

    private static long parse(String text, long base) {
        Matcher match = FORM.matcher(text.strip());
        if (!match.matches() || match.group(1).matches("0+")) {
            throw new TypeConversionException("\"" + text + "\" is not a size such as 64m or 2G");
        }
        int power = "kmgt".indexOf(match.group(2).toLowerCase(Locale.ROOT)) + 1;
        if (match.group(2).isEmpty()) {
            power = 0;
        }
        try {
            long size = Long.parseLong(match.group(1));
            for (int i = 0; i < power; i++) {
                size = Math.multiplyExact(size, base);
            }
            return size;
        } catch (ArithmeticException | NumberFormatException e) {
            throw new TypeConversionException("\"" + text + "\" is too large a size");
        }
    }

    /** For people: {@code 4.16 MiB}. */
    static String text(long bytes) {
        String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.length - 1) {
            value /= 1024;
            unit++;
        }
        return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.2f %s", value, units[unit]);
    }
}
