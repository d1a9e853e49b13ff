package io.sparkgguf.job.qat;

import io.sparkgguf.qat.QatSettings;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.Serializable;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What a run is asked to train.
 *
 * @param tensors regular expressions, searched for in names; empty for all linear layers of blocks whose type has fewer than
 *     {@value #DEFAULT_BITS} bits a weight
 * @param settings how; numbers of sequences hold for such of {@value #SETTLED_LENGTH} tokens
 * @param tokens to train on at the most, of those that calibrate; 0 for all
 * @param modelSteps of training all blocks together, behind that of each; {@value #AUTO} for those of {@link
 *     QatSettings#TOGETHER} where a task of it holds at most {@value #MODEL_MEMORY} bytes, else none
 * @param spread how the work is spread over a cluster, which changes no bit of the result
 */
public record QatRequest(List<String> tensors, QatSettings settings, long tokens, int modelSteps, Spread spread)
        implements Serializable {
    /** Above, little is left to gain. */
    public static final double DEFAULT_BITS = 4;

    /** Tokens of the sequences on which {@link QatSettings#DEFAULT} was settled; of longer ones a step takes fewer. */
    public static final int SETTLED_LENGTH = 256;

    /** As many steps of all blocks together as are worth it. */
    public static final int AUTO = -1;

    /** Bytes of a task up to which all blocks are trained together without being asked for: not by the cluster, for it is in the bytes. */
    public static final long MODEL_MEMORY = 1L << 30;

    /** How training is spread. */
    public enum Spread {
        /** Whole blocks with original inputs or where a step is short, else sequences. */
        AUTO,
        /** Each step's sequences go to many tasks, its layers too. */
        SEQUENCES,
        /** A task trains a block; with original inputs all blocks side by side. */
        BLOCKS
    }

    public QatRequest {
        tensors = List.copyOf(tensors);
        if (tokens < 0) {
            throw new InvalidInputException("Cannot use --qat-tokens " + tokens + ": the least is 1");
        }
        requireSteps(settings.steps());
        if (modelSteps != AUTO) {
            requireModelSteps(modelSteps);
        }
        for (String pattern : tensors) {
            try {
                Pattern.compile(pattern);
            } catch (PatternSyntaxException e) {
                throw new InvalidInputException(
                        "Cannot use --qat-tensors \"" + pattern + "\": " + e.getDescription() + " at character "
                                + e.getIndex(),
                        e);
            }
        }
    }

    /** Refuses numbers of steps that cannot be. */
    public static int requireSteps(int steps) {
        if (steps < 1) {
            throw new InvalidInputException("Cannot use --qat-steps " + steps + ": the least is 1");
        }
        return steps;
    }

    /** Refuses numbers of steps of all blocks together that cannot be. */
    public static int requireModelSteps(int steps) {
        if (steps < 0) {
            throw new InvalidInputException("Cannot use --qat-model-steps " + steps + ": the least is 0, for none");
        }
        return steps;
    }

    /** Refuses learning rates that cannot be. */
    public static double requireRate(double rate) {
        if (!(rate > 0 && rate <= 1)) {
            throw new InvalidInputException("Cannot use --qat-learning-rate " + rate
                    + ": it is a share of the distance of two levels, above 0 and up to 1, for example "
                    + QatSettings.DEFAULT.weightRate());
        }
        return rate;
    }

    /** The pattern that is found in a name; null for none. */
    public String pattern(String tensor) {
        return tensors.stream()
                .filter(pattern -> Pattern.compile(pattern).matcher(tensor).find())
                .findFirst()
                .orElse(null);
    }
}
