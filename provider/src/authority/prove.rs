//! How a person shows that an identifier is theirs: a message, a call, a letter, an operator.

use discreet_protocol::identifier::Csi;

/// A way to prove an identifier. The authority draws the code, keeps it, bounds its age and the
/// number of answers; a way only carries it and judges what comes back.
///
/// Both methods may take their time (a message to be sent); they run where blocking is allowed.
/// Neither may write the identifier or the code anywhere but where they are meant to go.
pub trait Prove: Send + Sync {
    /// A person says that `csi` is theirs. Anybody may say so of any identifier, four times an hour, and
    /// oftener amid a flood of others: a way that sends messages bounds by itself what one number gets.
    ///
    /// # Errors
    ///
    /// When the way cannot be gone now. The enrolment is forgotten.
    fn begin(&self, csi: &Csi, code: &str) -> Result<Begun, Unavailable>;

    /// The person's answer. Whoever calls this has counted it.
    fn answer(&self, csi: &Csi, code: &str, answer: &str) -> Answer;
}

/// An enrolment has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What the person is to do now, a sentence.
    pub say: String,
    /// Whether the person who asked may see the code. Not if the code is to reach them another way.
    pub show_code: bool,
}

/// A way cannot be gone now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The identifier is proved.
    Proved,
    /// It is not.
    Wrong,
    /// This way takes no answers.
    NotThisWay,
}

/// The operator looks into it, by whatever means, and confirms the code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Operator;

impl Prove for Operator {
    fn begin(&self, _: &Csi, _: &str) -> Result<Begun, Unavailable> {
        let say =
            "Tell the operator this code within an hour, and how they can see that the identifier is yours.";
        Ok(Begun { say: say.to_owned(), show_code: true })
    }

    fn answer(&self, _: &Csi, _: &str, _: &str) -> Answer {
        Answer::NotThisWay
    }
}
