package io.sparkgguf.quant;

import java.io.Serializable;
import java.math.BigInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A sum of doubles without rounding, so that it is the same in any order and grouping: units of any size, merged in any
 * way, report the same figures.
 *
 * <p>The sum is a number in base 2^32 whose lowest digit is worth 2^-1074, the smallest double; digits are kept in longs
 * and carried over now and then. An infinity or NaN stays visible in the result.
 */
public final class ExactSum implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final int DIGIT_BITS = 32;
    private static final long DIGIT = (1L << DIGIT_BITS) - 1;
    /** From 2^-1074 up to 2^1024 and 64 bits for the carries of many terms. */
    private static final int DIGITS = (1074 + 1024) / DIGIT_BITS + 3;
    /** A term adds less than 2^32 to a digit, so 2^30 of them leave room in its long. */
    private static final int CARRY_AFTER = 1 << 30;

    private static final Pattern FORM = Pattern.compile("(-?[0-9a-f]{1,600})p(\\d{1,4})(?: (NaN|-?Infinity))?");

    private final long[] digits = new long[DIGITS];
    private int uncarried;
    private double special;

    /** Adds a term. */
    public void add(double term) {
        if (!Double.isFinite(term)) {
            special += term;
            return;
        }
        long bits = Double.doubleToRawLongBits(term);
        int exponent = (int) (bits >>> 52 & 0x7ff);
        long mantissa = bits & (1L << 52) - 1;
        if (exponent == 0) {
            exponent = 1;
        } else {
            mantissa |= 1L << 52;
        }
        int place = exponent - 1;
        int shift = place % DIGIT_BITS;
        int digit = place / DIGIT_BITS;
        long sign = bits >> 63 | 1;
        digits[digit] += sign * (mantissa << shift & DIGIT);
        digits[digit + 1] += sign * (mantissa >>> DIGIT_BITS - shift & DIGIT);
        digits[digit + 2] += sign * (shift == 0 ? 0 : mantissa >>> 2 * DIGIT_BITS - shift);
        if (++uncarried == CARRY_AFTER) {
            carry();
        }
    }

    /** Adds all terms of another sum, which stays as it is. */
    public void add(ExactSum other) {
        other.carry();
        carry();
        for (int i = 0; i < DIGITS; i++) {
            digits[i] += other.digits[i];
        }
        carry();
        special += other.special;
    }

    private void carry() {
        for (int i = 0; i < DIGITS - 1; i++) {
            digits[i + 1] += digits[i] >> DIGIT_BITS;
            digits[i] &= DIGIT;
        }
        uncarried = 0;
    }

    private BigInteger units() {
        BigInteger sum = BigInteger.ZERO;
        for (int i = DIGITS - 1; i >= 0; i--) {
            sum = sum.shiftLeft(DIGIT_BITS).add(BigInteger.valueOf(digits[i]));
        }
        return sum;
    }

    /** All of it as text, from which {@link #parse} makes an equal sum: a hexadecimal number and its power of 2. */
    @Override
    public String toString() {
        BigInteger sum = units();
        int zeros = Math.max(0, sum.getLowestSetBit());
        return sum.shiftRight(zeros).toString(16) + "p" + zeros + (special != 0 ? " " + special : "");
    }

    /**
     * A sum from its text.
     *
     * @throws IllegalArgumentException when it is not one
     */
    public static ExactSum parse(String text) {
        Matcher match = FORM.matcher(text);
        if (!match.matches()) {
            throw new IllegalArgumentException("Cannot read '" + text + "' as a sum");
        }
        ExactSum sum = new ExactSum();
        BigInteger units = new BigInteger(match.group(1), 16).shiftLeft(Integer.parseInt(match.group(2)));
        if (units.bitLength() >= DIGITS * DIGIT_BITS) {
            throw new IllegalArgumentException("Cannot read '" + text + "' as a sum: it is too large");
        }
        for (int i = 0; i < DIGITS - 1; i++) {
            sum.digits[i] = units.longValue() & DIGIT;
            units = units.shiftRight(DIGIT_BITS);
        }
        sum.digits[DIGITS - 1] = units.longValueExact();
        sum.special = match.group(3) == null ? 0 : Double.parseDouble(match.group(3));
        return sum;
    }

    /** The nearest double. */
    public double value() {
        if (special != 0) {
            return special;
        }
        BigInteger sum = units();
        // 64 bits and a last one for all that is cut off decide the rounding.
        BigInteger magnitude = sum.abs();
        int cut = Math.max(0, magnitude.bitLength() - 64);
        BigInteger head = magnitude.shiftRight(cut);
        if (cut > 0 && magnitude.getLowestSetBit() < cut) {
            head = head.setBit(0);
        }
        return sum.signum() * Math.scalb(head.doubleValue(), cut - 1074);
    }
}
