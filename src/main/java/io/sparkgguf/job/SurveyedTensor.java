package io.sparkgguf.job;

import io.sparkgguf.tensor.Shape;

/**
 * What was found of a tensor.
 *
 * @param source type it is stored in
 * @param rowsSeen rows that were looked at
 * @param weighted whether there is an importance for its columns
 * @param sigma root of the mean square of the weights looked at
 */
record SurveyedTensor(
        String name,
        Shape shape,
        String source,
        long rowsSeen,
        boolean weighted,
        double sigma,
        SurveyErrors.Sums sums) {
    long weightsSeen() {
        return rowsSeen * shape.columns();
    }

    /** Root of the squared error over the squares, by a scheme's number; 0 without an error. */
    double relativeError(int scheme) {
        return ratio(sums.errors()[scheme], sums.squares()[0]);
    }

    /** The same, each column counted by its importance. */
    double weightedRelativeError(int scheme) {
        return ratio(sums.weightedErrors()[scheme], sums.weightedSquares()[0]);
    }

    static double ratio(double error, double squares) {
        return error == 0 ? 0 : Math.sqrt(error / squares);
    }
}
