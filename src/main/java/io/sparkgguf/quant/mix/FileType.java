package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a whole file can be asked to be: a main type, and a mix that gives some tensors more or fewer bits.
 *
 * <p>Names and numbers are llama-quantize's; the numbers are stored as {@code general.file_type}.
 */
public enum FileType {
    F32(0, BlockType.F32, 32.0, "single precision, unchanged weights"),
    F16(1, BlockType.F16, 16.0, "half precision"),
    BF16(32, BlockType.BF16, 16.0, "the upper half of single precision"),
    Q8_0(7, BlockType.Q8_0, 8.50, "8 bits, next to lossless"),
    Q6_K(18, BlockType.Q6_K, 6.56, "6 bits, hard to tell from the original"),
    Q5_K_M(17, BlockType.Q5_K, 5.70, "5 bits, sensitive tensors 6", "Q5_K"),
    Q5_K_S(16, BlockType.Q5_K, 5.57, "5 bits"),
    Q5_1(9, BlockType.Q5_1, 6.04, "5 bits with minimum, legacy"),
    Q5_0(8, BlockType.Q5_0, 5.57, "5 bits, legacy"),
    Q4_K_M(15, BlockType.Q4_K, 4.89, "4 bits, sensitive tensors 6: the usual choice", "Q4_K"),
    Q4_K_S(14, BlockType.Q4_K, 4.67, "4 bits, first layers 5"),
    Q4_1(3, BlockType.Q4_1, 5.10, "4 bits with minimum, legacy"),
    Q4_0(2, BlockType.Q4_0, 4.64, "4 bits, legacy"),
    IQ4_NL(25, BlockType.IQ4_NL, 4.68, "4 bits, uneven levels, rows of any 32 columns"),
    IQ4_XS(30, BlockType.IQ4_XS, 4.46, "4 bits, uneven levels"),
    Q3_K_L(13, BlockType.Q3_K, 4.30, "3 bits, sensitive tensors 5"),
    Q3_K_M(12, BlockType.Q3_K, 4.00, "3 bits, sensitive tensors 4", "Q3_K"),
    Q3_K_S(11, BlockType.Q3_K, 3.64, "3 bits"),
    IQ3_M(27, BlockType.IQ3_S, 3.76, "3 bits on a lattice, sensitive tensors 4"),
    IQ3_S(26, BlockType.IQ3_S, 3.66, "3 bits on a lattice"),
    IQ3_XS(22, BlockType.IQ3_S, 3.50, "3 bits on a lattice, middle layers fewer"),
    IQ3_XXS(23, BlockType.IQ3_XXS, 3.26, "3 bits on a small lattice"),
    Q2_K(10, BlockType.Q2_K, 3.16, "2 bits, sensitive tensors 3 and 4"),
    Q2_K_S(21, BlockType.Q2_K, 2.97, "2 bits; needs an importance matrix"),
    IQ2_M(29, BlockType.IQ2_S, 2.93, "2 bits on a lattice, sensitive tensors 3"),
    IQ2_S(28, BlockType.IQ2_XS, 2.74, "2 bits on a lattice, sensitive tensors 3"),
    IQ2_XS(20, BlockType.IQ2_XS, 2.59, "2 bits on a lattice"),
    IQ2_XXS(19, BlockType.IQ2_XXS, 2.38, "2 bits on a small lattice"),
    IQ1_M(31, BlockType.IQ1_M, 2.15, "between 1 and 2 bits on a lattice"),
    IQ1_S(24, BlockType.IQ1_S, 2.00, "between 1 and 2 bits on a lattice"),
    Q2_0(41, BlockType.Q2_0, 2.68, "2 bits, four levels"),
    Q1_0(40, BlockType.Q1_0, 1.48, "signs only"),
    TQ2_0(37, BlockType.TQ2_0, 2.52, "for models trained with weights of -1, 0 and 1"),
    TQ1_0(36, BlockType.TQ1_0, 2.19, "for models trained with weights of -1, 0 and 1, denser"),
    MXFP4_MOE(38, BlockType.MXFP4, 8.50, "experts in 4-bit floating point, the rest 8 bits"),
    COPY(-1, null, 0, "every tensor as it is stored");

    private final int number;
    private final BlockType mainType;
    private final double bitsPerWeight;
    private final String summary;
    private final List<String> aliases;

    FileType(int number, BlockType mainType, double bitsPerWeight, String summary, String... aliases) {
        this.number = number;
        this.mainType = mainType;
        this.bitsPerWeight = bitsPerWeight;
        this.summary = summary;
        this.aliases = List.of(aliases);
    }

    /** The number for {@code general.file_type}; none for COPY, which leaves the source's. */
    public OptionalInt number() {
        return this == COPY ? OptionalInt.empty() : OptionalInt.of(number);
    }

    /** The type of a tensor for which the mix has no other; none for COPY. */
    public Optional<BlockType> mainType() {
        return Optional.ofNullable(mainType);
    }

    /** Other names for this. */
    public List<String> aliases() {
        return aliases;
    }

    /** Bits per weight of a Llama 3.1 8B in this type, embeddings and scales included; 0 for COPY. */
    public double bitsPerWeight() {
        return bitsPerWeight;
    }

    /** Whether tensors are quantized to blocks, by a mix; not for F32, F16, BF16 and COPY. */
    public boolean quantizes() {
        return mainType != null && !mainType.isScalar();
    }

    /** Whether files of this type can be written; the types on a lattice have no encoders yet. */
    public boolean available() {
        return mainType == null || WeightTypes.hasEncoder(mainType);
    }

    /** One line for {@code --help}: what it is, and the bits per weight that a Llama 3.1 8B gets. */
    public String help() {
        String bits = this == COPY ? "" : String.format(Locale.ROOT, " (%.2f bits per weight)", bitsPerWeight);
        String alias = aliases.isEmpty() ? "" : "; also called " + String.join(", ", aliases);
        return summary + bits + alias + (available() ? "" : "; not available yet");
    }

    /**
     * This type itself.
     *
     * @throws InvalidInputException when files of it cannot be written yet
     */
    public FileType requireAvailable() {
        if (!available()) {
            throw new InvalidInputException("Cannot use type " + this + ": known, but " + mainType
                    + " has no encoder yet. Available: " + names(true));
        }
        return this;
    }

    /**
     * The type of this name or alias in any case, or of this number.
     *
     * @throws InvalidInputException when there is none; the message lists the known ones, the nearest first
     */
    public static FileType parse(String text) {
        String upper = text.strip().toUpperCase(Locale.ROOT);
        for (FileType type : values()) {
            boolean numbered = type != COPY && upper.equals(Integer.toString(type.number));
            if (type.name().equals(upper) || type.aliases.contains(upper) || numbered) {
                return type;
            }
        }
        List<String> known = Arrays.stream(values()).map(FileType::name).toList();
        String reason = BlockType.of(upper).filter(WeightTypes::hasEncoder).isPresent()
                ? "a type of single tensors (see --tensor-type), not of files"
                : "unknown";
        throw new InvalidInputException("Cannot use type \"" + text + "\": " + reason
                + Spelling.suggestion(upper, known) + " Known: " + names(false));
    }

    private static String names(boolean onlyAvailable) {
        return String.join(
                ", ",
                Arrays.stream(values())
                        .filter(type -> !onlyAvailable || type.available())
                        .map(FileType::name)
                        .toList());
    }
}
