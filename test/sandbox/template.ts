// A template of the shape that customers get: parameters, a provider, a role with its trust as a string, policies under conditions.
import type { Issuer } from './issuer.ts';

export function template(issuer: Issuer): string {
  const [base] = issuer.url.split('/is_') as [string];
  const host = base.replace(/^http:\/\//, '');
  return `
AWSTemplateFormatVersion: '2010-09-09'
Description: Lets Countersign act in this account
Parameters:
  IssuerId:
    Type: String
    AllowedPattern: ^is_[a-z2-7]+$
    ConstraintDescription: must be an issuer id
  ConnectionId:
    Type: String
    AllowedPattern: ^cn_[a-z2-7]+$
  RoleName:
    Type: String
    Default: countersign-stack
    MaxLength: 64
  PermissionSet:
    Type: String
    Default: read-only
    AllowedValues: [administrator, core, read-only]
  AddS3:
    Type: String
    Default: 'false'
    AllowedValues: ['true', 'false']
Conditions:
  Administrator: !Equals [!Ref PermissionSet, administrator]
  ReadOnly: !Equals [!Ref PermissionSet, read-only]
  Core: !And
    - !Not [!Condition Administrator]
    - !Not [!Condition ReadOnly]
  S3: !And [!Condition Core, !Equals [!Ref AddS3, 'true']]
Resources:
  Provider:
    Type: AWS::IAM::OIDCProvider
    Properties:
      Url: !Sub '${base}/\${IssuerId}'
      ClientIdList: [sts.amazonaws.com]
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Ref RoleName
      MaxSessionDuration: 3600
      AssumeRolePolicyDocument: !Sub |
        {"Version": "2012-10-17", "Statement": [{
          "Effect": "Allow",
          "Principal": {"Federated": "\${Provider}"},
          "Action": "sts:AssumeRoleWithWebIdentity",
          "Condition": {"StringEquals": {
            "${host}/\${IssuerId}:aud": "sts.amazonaws.com",
            "${host}/\${IssuerId}:sub": "\${ConnectionId}"
          }}
        }]}
      ManagedPolicyArns:
        - !If [Administrator, !Sub 'arn:\${AWS::Partition}:iam::aws:policy/AdministratorAccess', !Ref AWS::NoValue]
        - !If [ReadOnly, !Sub 'arn:\${AWS::Partition}:iam::aws:policy/ReadOnlyAccess', !Ref AWS::NoValue]
  CorePolicy:
    Type: AWS::IAM::Policy
    Condition: Core
    Properties:
      PolicyName: core
      Roles: [!Ref Role]
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: ['ec2:*', 'eks:*']
            Resource: '*'
  S3Policy:
    Type: AWS::IAM::Policy
    Condition: S3
    Properties:
      PolicyName: s3
      Roles: [!Ref Role]
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: s3:*
            Resource: !Sub 'arn:\${AWS::Partition}:s3:::*'
Outputs:
  RoleArn: {Value: !GetAtt Role.Arn}
  ProviderArn: {Value: !Ref Provider}
  AccountId: {Value: !Ref AWS::AccountId, Description: give this number}
  Joined: {Condition: Core, Value: !Join ['-', [!Select [1, !Split ['_', !Ref ConnectionId]], !Ref AWS::StackName]]}
`;
}
